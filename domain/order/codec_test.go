package order_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func eur(text string) money.Money { return money.MustParse(text, "EUR") }

func ptr[T any](v T) *T { return &v }

// everyEvent holds one full example of each stored type.
func everyEvent() []order.Event {
	at := time.Date(2026, 10, 1, 12, 30, 0, 0, time.UTC)
	stage := func(s order.Stage) order.Event {
		return order.DisputeStageEntered{
			Stage: s, DisputeID: "01J9DISPUTE", SourceDisputeID: "cb-1", Track: s.Track(), PaymentID: "01J9PAYMENT",
			DisputedAmount: ptr(eur("86.56")), ReasonCode: "visa:10.4", ARN: "74537606324000000012345", CaseNo: "7",
			RespondBy: &at, InitiatedBy: "issuer",
		}
	}
	return []order.Event{
		order.NotificationRecorded{
			NotificationID: "01J9NOTE", Gateway: "decta", Account: "default", Via: "webhook", Verified: "rsa_sha256",
			BodySHA256: "00ff", Body: json.RawMessage(`{"id":"6f2c","status":"paid"}`),
			Version:     &order.Version{IssuedAt: at, ModifiedAt: at.Add(time.Hour), Progress: 3},
			Repeats:     []order.AmountRepeated{{PaymentID: "01J9PAYMENT"}, {PaymentID: "01J9PAYMENT2", Version: &order.Version{IssuedAt: at, Progress: 4}}},
			Unconfirmed: true,
		},
		order.CommandRecorded{
			CommandID: "01J9COMMAND", Action: order.ActionRefund, KeySHA256: "00ff", Request: json.RawMessage(`{"amount":"10.00"}`),
			Sealed: "sealed:1:AA",
		},
		order.GatewayActionInitiated{
			CommandID: "01J9COMMAND", Action: order.ActionRefund, PaymentID: "01J9PAYMENT", RefundID: "01J9REFUND", Amount: ptr(eur("10.00")),
		},
		order.GatewayActionAnswered{
			CommandID: "01J9COMMAND", Outcome: order.GatewayRefused, Reason: "ORDER_NOT_REFUNDABLE", SourceOrderID: "6f2c",
			Checkout: "https://gate.example/checkout/6f2c", Links: &order.CheckoutLinks{
				Iframe: "https://gate.example/iframe/6f2c", DirectPost: "https://gate.example/direct/6f2c", APIDo: "https://gate.example/do/6f2c",
			},
		},
		order.NotificationQuarantined{
			NotificationID: "01J9NOTE", Gateway: "decta", Account: "default", Via: "webhook", Verified: "none",
			Code: order.FlagMalformedBody, Detail: "not JSON", ReceivedAt: at, BodySHA256: "00ff", Body: json.RawMessage(`{}`),
		},
		order.ReferenceLinked{OrderID: "01J9ORDER", Category: order.CategoryOrder, Account: "default"},
		order.OrderRegistered{
			OrderID: "01J9ORDER", Kind: order.KindPayment, IsTest: true, Source: "decta", SourceAccount: "default",
			SourceOrderID: "6f2c", MerchantReference: "SO-1", AmountDue: ptr(eur("96.56")), DueFromPayments: true,
			DueAt: &at, AllowOverdue: ptr(true), MaxAttempts: 3, TwoStep: true, RefundLimitPercent: "100",
		},
		order.OrderDetailsLearned{SourceOrderID: "6f2c", MerchantReference: "SO-1", DueAt: &at, MaxAttempts: 3},
		order.OrderAmountChanged{SourceOrderID: "6f2c", NewAmountDue: eur("120.00")},
		order.OrderIssued{SourceOrderID: "6f2c"},
		order.OrderViewed{PaymentID: "01J9PAYMENT"},
		order.OrderOverdue{DueAt: &at},
		order.OrderExpired{DueAt: &at},
		order.OrderCancelled{SourceOrderID: "6f2c", Cause: order.CauseHoldVoided, CauseInferred: true, Attempts: 2},
		order.OrderRejectedByCustomer{},
		order.OrderPaidExternally{Amount: eur("96.56")},
		order.SettlementMatched{
			StatementID: "00ff", Line: 7, Kind: settlement.Payment, Movement: "payment:01J9PAYMENT", PaymentID: "01J9PAYMENT", RefundID: "01J9REFUND",
			DisputeID: "01J9DISPUTE", Reference: "6f2c", SettlementRef: "PO-1", Amount: eur("96.56"), Fee: ptr(eur("1.90")), Net: ptr(eur("94.66")),
			ValueDate: "2026-10-03", Parts: 2,
		},
		order.SettlementMismatchFlagged{
			StatementID: "00ff", Line: 7, Kind: settlement.Refund, Reason: settlement.AmountDiffers, Movement: "refund:01J9REFUND",
			Booked: ptr(eur("10.00")), Reference: "6f2c", Amount: eur("11.00"), ValueDate: "2026-10-03",
		},
		order.FeeCharged{PaymentID: "01J9PAYMENT", FeeKind: "dispute", Amount: eur("15.00")},
		order.GatewayStatusObserved{PaymentID: "01J9PAYMENT", RefundID: "01J9REFUND", Status: "paid", Recognised: true, ConfirmsCapture: true},
		order.GatewayOrderStatusObserved{SourceOrderID: "6f2c", Status: "PAID"},
		order.AnomalyFlagged{Code: order.FlagCounterRegressed, Detail: "amount_refunded went down"},
		order.AnomalyResolved{Code: order.FlagCounterRegressed, Detail: "explained"},
		order.LedgerCorrectionRecorded{
			CorrectsEventID: "b1c1e3a0-0000-5000-8000-000000000000", Reason: "learnt", Approver: "eve",
			Adjustments: []order.Adjustment{{
				Balance: order.BalanceCaptured, Direction: order.Decrease, Amount: eur("46.56"), PaymentID: "01J9PAYMENT",
				RefundID: "01J9REFUND", DisputeID: "01J9DISPUTE",
			}},
		},
		order.CorrectionProposed{
			CorrectionID: "01J9CORRECTION", ProposedBy: "ada", Approver: "eve", CorrectsEventID: "b1c1e3a0-0000-5000-8000-000000000000",
			Reason: "bank statement", Adjustments: []order.Adjustment{{
				Balance: order.BalanceCaptured, Direction: order.Increase, Amount: eur("1.00"), PaymentID: "01J9PAYMENT",
			}},
		},
		order.CorrectionDeclined{CorrectionID: "01J9CORRECTION", DeclinedBy: "eve", Reason: "not so"},
		order.PersonalDataErased{SubjectRef: "subject-1"},
		order.PaymentInitiated{
			PaymentID: "01J9PAYMENT", SourcePaymentID: "p-1", SourceOrderID: "6f2c", Amount: ptr(eur("96.56")),
			Method: "card", Attempt: 1, Version: &order.Version{Progress: 1},
		},
		order.PaymentAmountLearned{PaymentID: "01J9PAYMENT", Amount: eur("96.56"), Method: "card", Version: &order.Version{Progress: 2}},
		order.PaymentProcessingStarted{PaymentID: "01J9PAYMENT", Attempt: 1},
		order.PaymentPendingAtProvider{PaymentID: "01J9PAYMENT"},
		order.PaymentAttemptFailed{
			PaymentID: "01J9PAYMENT", Attempt: 1, ReasonCode: "AML_BLOCKED", ReasonGroup: "blocked_aml", Phase: "bank",
			AfterConfirmation: true,
		},
		order.PaymentAbandoned{PaymentID: "01J9PAYMENT", ReasonCode: "x"},
		order.PaymentExpired{PaymentID: "01J9PAYMENT", ReasonCode: "x"},
		order.PaymentWithdrawn{PaymentID: "01J9PAYMENT", ReasonCode: "x"},
		order.PaymentOutcomeUnknown{PaymentID: "01J9PAYMENT"},
		order.PaymentAuthorized{PaymentID: "01J9PAYMENT", Amount: eur("96.56"), ExpiresAt: &at},
		order.AuthorizationReleased{PaymentID: "01J9PAYMENT", Amount: eur("46.56"), Cause: order.ReleasePartialCapture},
		order.PaymentConfirmed{PaymentID: "01J9PAYMENT", Amount: eur("96.56")},
		order.PaymentCaptured{
			PaymentID: "01J9PAYMENT", Amount: eur("50.00"), Method: "card", Scheme: "visa", ARN: "74537606324000000012345",
			Implied: true, AmountOfPayment: true, Assumed: true,
		},
		order.PaymentSettled{
			PaymentID: "01J9PAYMENT", Amount: eur("50.00"), SettlementRef: "s-1", Net: ptr(eur("49.00")), Fee: ptr(eur("1.00")),
		},
		order.ReversalInitiated{PaymentID: "01J9PAYMENT", Amount: ptr(eur("50.00"))},
		order.ReversalFailed{PaymentID: "01J9PAYMENT", Reason: "late", Phase: "init"},
		order.PaymentReversed{PaymentID: "01J9PAYMENT", Amount: eur("50.00"), Assumed: true},
		order.EnrichmentPending{
			PaymentID: "01J9PAYMENT", RefundID: "01J9REFUND", Awaited: "PaymentCaptured", Key: "everifin:p-1:BOOKED",
			Amount: ptr(eur("50.00")),
		},
		order.RefundInitiated{
			RefundID: "01J9REFUND", SourceRefundID: "r-1", PaymentID: "01J9PAYMENT", Amount: ptr(eur("10.00")), InitiatedBy: "merchant",
		},
		order.RefundCompleted{RefundID: "01J9REFUND", PaymentID: "01J9PAYMENT", Amount: eur("10.00"), ARN: "1", Assumed: true},
		order.RefundFailed{RefundID: "01J9REFUND", PaymentID: "01J9PAYMENT", ReasonCode: "x", Phase: "init"},
		order.RefundReversed{RefundID: "01J9REFUND", PaymentID: "01J9PAYMENT", Amount: eur("10.00"), Assumed: true},
		order.RefundObserved{RefundID: "01J9REFUND", PaymentID: "01J9PAYMENT", Extent: order.ExtentPartial},
		stage(order.StageRetrieval), stage(order.StageChargeback), stage(order.StageRepresentment),
		stage(order.StagePreArbitration), stage(order.StageArbitration), stage(order.StagePreCompliance),
		stage(order.StageCompliance), stage(order.StageFraudAdvice), stage(order.StageGoodFaith),
		order.DisputeFundsWithdrawn{
			DisputeID: "01J9DISPUTE", Track: order.TrackChargeback, PaymentID: "01J9PAYMENT", MovementNo: 1,
			Amount: eur("86.56"), Assumed: true,
		},
		order.DisputeFundsReinstated{
			DisputeID: "01J9DISPUTE", Track: order.TrackChargeback, PaymentID: "01J9PAYMENT", MovementNo: 2, Amount: eur("86.56"),
		},
		order.DisputeResolved{DisputeID: "01J9DISPUTE", Outcome: order.OutcomeSplit, AmountLost: ptr(eur("40.00"))},
		order.DisputeProvisioned{DisputeID: "01J9DISPUTE", Amount: eur("34.62")},
		order.PayoutRequested{PayoutID: "01J9PAYOUT", Amount: ptr(eur("250.00"))},
		order.PayoutProcessing{PayoutID: "01J9PAYOUT"},
		order.PayoutCompleted{PayoutID: "01J9PAYOUT", Amount: eur("250.00")},
		order.PayoutFailed{PayoutID: "01J9PAYOUT", ReasonCode: "x"},
		order.PayoutCancelled{PayoutID: "01J9PAYOUT"},
		order.PayoutReversed{PayoutID: "01J9PAYOUT", Amount: eur("250.00")},
	}
}

func fullMetadata() order.Metadata {
	at := time.Date(2026, 10, 1, 12, 30, 0, 123456789, time.UTC)
	return order.Metadata{
		CorrelationID: "01J9NOTE", CausationID: "b1c1e3a0-0000-5000-8000-000000000000", LedgerID: "01J9LEDGER",
		Schema: 1, OccurredAt: at, OccurredAtBasis: order.BasisStatusChange, ReceivedAt: at, RecordedAt: at,
		Source: "decta", SourceAccount: "default", SourceEventID: "00ff", SourceStatus: "paid", Actor: "system",
		Translator: "decta/1", Flags: []order.Flag{order.FlagAmountAssumed},
	}
}

// TestCodec_Golden proves that everything that is written is what the type's version has always
// written, and that it decodes to the same.
func TestCodec_Golden(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, e := range everyEvent() {
		name := e.EventType()
		seen[name] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eventType, data, metadata, err := order.Encode(e, fullMetadata())
			if err != nil {
				t.Fatal(err)
			}
			version := order.CurrentVersion(eventType)
			path := filepath.Join("testdata", "golden", "v"+strconv.Itoa(version), eventType+".json")
			file := append(append(append(append([]byte{}, data...), '\n'), metadata...), '\n')
			if *update {
				if err := os.WriteFile(path, file, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(file)); diff != "" {
				t.Errorf("what is written differs from what this version wrote before (-golden +now):\n%s", diff)
			}
			lines := bytes.SplitN(want, []byte("\n"), 3)
			decoded, m, err := order.Decode(eventType, lines[0], lines[1])
			if err != nil {
				t.Fatal(err)
			}
			envelope := fullMetadata()
			envelope.Schema = version
			if !reflect.DeepEqual(m, envelope) {
				t.Errorf("envelope changed by decoding: %+v", m)
			}
			_, again, _, err := order.Encode(decoded, m)
			if err != nil || !bytes.Equal(again, lines[0]) {
				t.Errorf("decoding lost something:\n%s\n%s", lines[0], again)
			}
		})
	}
	files, err := filepath.Glob(filepath.Join("testdata", "golden", "v*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(f), ".json"), "-"); !seen[name] {
			t.Errorf("%s was written once and has no example here: it must decode for ever", name)
		}
	}
	if types := order.EventTypes(); len(types) != len(seen) {
		t.Errorf("%d event types are stored, %d have an example", len(types), len(seen))
	}
}

// TestDecode_EarlierForms reads what version 1 wrote of types that have a newer one, or before they had all of their fields.
func TestDecode_EarlierForms(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 10, 1, 12, 30, 0, 0, time.UTC)
	for name, want := range map[string]order.Event{
		"GatewayActionAnswered-without_links": order.GatewayActionAnswered{
			CommandID: "01J9COMMAND", Outcome: order.GatewayRefused, Reason: "ORDER_NOT_REFUNDABLE", SourceOrderID: "6f2c",
			Checkout: "https://gate.example/checkout/6f2c",
		},
		"NotificationRecorded-without_repeats": order.NotificationRecorded{
			NotificationID: "01J9NOTE", Gateway: "decta", Account: "default", Via: "webhook", Verified: "rsa_sha256",
			BodySHA256: "00ff", Body: json.RawMessage(`{"id":"6f2c","status":"paid"}`),
			Version: &order.Version{IssuedAt: at, ModifiedAt: at.Add(time.Hour), Progress: 3},
		},
		"RefundObserved":        order.RefundObserved{RefundID: "01J9REFUND", PaymentID: "01J9PAYMENT", Extent: order.ExtentPartial},
		"RefundObserved-silent": order.RefundObserved{RefundID: "01J9REFUND", PaymentID: "01J9PAYMENT", Extent: order.ExtentUnknown},
	} {
		golden, err := os.ReadFile(filepath.Join("testdata", "golden", "v1", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.SplitN(golden, []byte("\n"), 3)
		eventType, _, _ := strings.Cut(name, "-")
		got, m, err := order.Decode(eventType, lines[0], lines[1])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" || m.Schema != 1 {
			t.Errorf("%s: schema %d (-want +got):\n%s", name, m.Schema, diff)
		}
	}
}

func TestDecode_RefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	metadata, err := json.Marshal(fullMetadata())
	if err != nil {
		t.Fatal(err)
	}
	newer := fullMetadata()
	newer.Schema = order.CurrentVersion("OrderIssued") + 1
	fromTheFuture, err := json.Marshal(newer)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		eventType      string
		data, metadata string
	}{
		"UnknownType":   {"SomethingElse", `{}`, string(metadata)},
		"NewerSchema":   {"OrderIssued", `{}`, string(fromTheFuture)},
		"DataNotJSON":   {"OrderIssued", `{`, string(metadata)},
		"NoMetadata":    {"OrderIssued", `{}`, ``},
		"AmountAsFloat": {"OrderPaidExternally", `{"amount":12.5}`, string(metadata)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if e, _, err := order.Decode(c.eventType, []byte(c.data), []byte(c.metadata)); err == nil {
				t.Errorf("decoded to %+v, want an error", e)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range everyEvent() {
		eventType, data, metadata, err := order.Encode(e, fullMetadata())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(eventType, data, metadata)
	}
	f.Fuzz(func(t *testing.T, eventType string, data, metadata []byte) {
		e, m, err := order.Decode(eventType, data, metadata)
		if err != nil {
			return
		}
		if _, _, _, err := order.Encode(e, m); err != nil {
			return
		}
		var s order.State
		s.Apply(order.Recorded{Event: e, Metadata: m}) // must not panic
		_ = s.Balances()
		_ = s.Flags()
	})
}
