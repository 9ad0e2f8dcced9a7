package push

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

var update = flag.Bool("update", false, "write golden files anew")

func euros(t *testing.T, text string) money.Money {
	t.Helper()
	var m money.Money
	if err := json.Unmarshal([]byte(`{"amount":"`+text+`","currency":"EUR"}`), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// story is an order that is paid, in part refunded, and disputed.
func story(t *testing.T) []order.Event {
	t.Helper()
	due, refund, disputed := euros(t, "96.56"), euros(t, "10.00"), euros(t, "86.56")
	respondBy := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	return []order.Event{
		order.OrderRegistered{OrderID: "01JD0000000000000000ORDER0", Kind: order.KindPayment, Source: "decta", SourceAccount: "shop-eu",
			SourceOrderID: "o-1", MerchantReference: "SO-1", AmountDue: &due},
		order.OrderIssued{SourceOrderID: "o-1"},
		order.PaymentInitiated{PaymentID: "P1", SourcePaymentID: "sp-1", Amount: &due, Method: "card"},
		order.PaymentCaptured{PaymentID: "P1", Amount: due, Method: "card", Scheme: "visa"},
		order.PaymentSettled{PaymentID: "P1", Amount: due},
		order.RefundInitiated{RefundID: "R1", SourceRefundID: "sr-1", PaymentID: "P1", Amount: &refund},
		order.RefundCompleted{RefundID: "R1", PaymentID: "P1", Amount: refund},
		order.RefundObserved{RefundID: "R2", PaymentID: "P1", Extent: order.ExtentUnknown},
		order.DisputeStageEntered{Stage: order.StageChargeback, DisputeID: "D1", Track: order.TrackChargeback, PaymentID: "P1", DisputedAmount: &disputed,
			ReasonCode: "10.4", ARN: "74000000000000000000001", RespondBy: &respondBy},
	}
}

// TestBodies_Golden: what receivers get is a contract. A change of these files is a change for all of them.
func TestBodies_Golden(t *testing.T) {
	t.Parallel()
	for _, template := range []Template{Standard, Full, StatusChange} {
		var state order.State
		var got bytes.Buffer
		for i, event := range story(t) {
			at := time.Date(2026, 11, 1, 12, i, 0, 0, time.UTC)
			eventType, data, metadata, err := order.Encode(event, order.Metadata{
				OccurredAt: at, OccurredAtBasis: order.BasisReceived, ReceivedAt: at, RecordedAt: at.Add(time.Second), Source: "decta", SourceAccount: "shop-eu", SourceStatus: "word",
			})
			if err != nil {
				t.Fatal(err)
			}
			e := eventstore.RecordedEvent{
				ID: uuid.NewSHA1(uuid.NameSpaceOID, []byte{byte(i)}), Stream: "order-01JD0000000000000000ORDER0", Revision: uint64(i),
				Position: eventstore.Position{Commit: uint64(i), Prepare: uint64(i)}, Type: eventType, JSON: true, Data: data, Metadata: metadata,
			}
			decoded, m, err := order.Decode(eventType, data, metadata)
			if err != nil {
				t.Fatal(err)
			}
			recorded := order.Recorded{Event: decoded, ID: e.ID, Revision: e.Revision, Position: e.Position.Commit, Metadata: m}
			state.Apply(recorded)
			if isLeftOut(eventType) {
				continue
			}
			body, err := render(template, nameOf(decoded), &e, &recorded, &state)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Indent(&got, body, "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
		}
		path := filepath.Join("testdata", string(template)+".golden")
		if *update {
			if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-golden +now); -update if that is meant:\n%s", template, diff)
		}
	}
}
