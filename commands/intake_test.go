package commands_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// plain is a translator of a language made for these tests: everything that
// the intake looks at stands in the body by its own name.
type plain struct{}

type plainBody struct {
	Order, Reject               string
	Payments, Merchant          []string
	Paid, Part                  string
	Question, Test, Uncountable bool
	Filler                      string
}

func (plain) Gateway() string { return "plain" }
func (plain) Version() string { return "plain/1" }

func (plain) Translate(n commands.Notification) commands.Translation {
	var b plainBody
	if err := json.Unmarshal(n.Body, &b); err != nil {
		return commands.Translation{Rejection: &commands.Rejection{Code: order.FlagMalformedBody, Detail: "not JSON"}}
	}
	t := commands.Translation{
		SourceOrderID: b.Order, SourcePaymentIDs: b.Payments, MerchantReferences: b.Merchant, Question: b.Question,
		Registration: order.Registration{Kind: order.KindPayment, SourceOrderID: b.Order, IsTest: b.Test},
		Evidence:     json.RawMessage(`{"plain":true}`),
	}
	if len(b.Merchant) > 0 {
		t.Registration.MerchantReference = b.Merchant[0]
	}
	if b.Reject != "" {
		t.Rejection = &commands.Rejection{Code: order.Flag(b.Reject), Detail: "rejected"}
	}
	if b.Uncountable {
		t.Uncountable = &order.Anomaly{Code: order.FlagScaleViolation, Detail: "too many digits"}
	}
	if b.Paid != "" {
		amount := money.MustParse(b.Paid, "EUR")
		t.Facts = append(t.Facts, order.Captured{
			At:      order.At{Key: "plain:" + b.Order + b.Part + ":paid", Status: "paid"},
			Payment: order.PaymentRef{SourceID: b.Order + b.Part}, Amount: &amount,
		})
	}
	return t
}

func openNode(t *testing.T) *node.Node {
	t.Helper()
	n, err := node.Open(node.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func newIntake(log commands.Log) *commands.Intake {
	return commands.NewIntake(commands.IntakeConfig{Log: log, Translators: []commands.Translator{plain{}}})
}

func accept(t *testing.T, in *commands.Intake, account, body string) commands.Receipt {
	t.Helper()
	r, err := in.Accept(t.Context(), commands.Notification{
		Gateway: "plain", Account: account, Via: commands.ViaWebhook, Body: []byte(body), Verified: "none",
	})
	if err != nil {
		t.Fatalf("accept %s: %v", body, err)
	}
	return r
}

// streamTypes are the event types of a stream, oldest first.
func streamTypes(t *testing.T, log eventstore.Reader, stream string) []string {
	t.Helper()
	var types []string
	for e, err := range log.ReadStream(t.Context(), stream, eventstore.StreamRead{}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, e.Type)
	}
	return types
}

func TestAccept_OneAppendWithEvidenceFirst(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	r := accept(t, newIntake(log), "default", `{"Order":"o1","Merchant":["SO-1"],"Paid":"12.50"}`)
	if r.Outcome != commands.Accepted || r.OrderID == "" || r.NotificationID == "" || r.Position == (eventstore.Position{}) {
		t.Fatalf("receipt %+v", r)
	}
	got := streamTypes(t, log, "order-"+r.OrderID)
	want := []string{"NotificationRecorded", "OrderRegistered", "PaymentInitiated", "PaymentCaptured"}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("events %v, want %v", got, want)
	}
	for e, err := range log.ReadStream(t.Context(), "order-"+r.OrderID, eventstore.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		_, m, err := order.Decode(e.Type, e.Data, e.Metadata)
		if err != nil {
			t.Fatal(err)
		}
		if m.CorrelationID != r.NotificationID || m.Source != "plain" || m.SourceAccount != "default" || m.RecordedAt.IsZero() {
			t.Errorf("envelope of %s: %+v", e.Type, m)
		}
	}
}

func TestAccept_SameBodyTwiceIsADuplicate(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	body := `{"Order":"o1","Paid":"12.50"}`
	first := accept(t, newIntake(log), "default", body)
	for range 3 { // a fresh intake each time: nothing may depend on its memory
		again := accept(t, newIntake(log), "default", body)
		if again.Outcome != commands.Duplicate || again.OrderID != first.OrderID {
			t.Errorf("again: %+v, want a duplicate of order %s", again, first.OrderID)
		}
	}
	if got := streamTypes(t, log, "order-"+first.OrderID); len(got) != 4 {
		t.Errorf("events %v", got)
	}
}

func TestAccept_FindsTheOrder(t *testing.T) {
	t.Parallel()
	in := newIntake(openNode(t))
	first := accept(t, in, "default", `{"Order":"o1","Payments":["p1"],"Merchant":["SO-1"]}`)
	for name, body := range map[string]string{
		"ByOrderID":           `{"Order":"o1","Filler":"a"}`,
		"ByPaymentID":         `{"Payments":["p1"],"Filler":"b"}`,
		"ByMerchantReference": `{"Order":"o2","Merchant":["SO-1"]}`,
		"BySecondReference":   `{"Order":"o3","Merchant":["other","SO-1"]}`,
		"ByOurOwnID":          `{"Order":"o4","Merchant":["` + first.OrderID + `"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if r := accept(t, in, "default", body); r.OrderID != first.OrderID {
				t.Errorf("%s went to order %s, want %s", body, r.OrderID, first.OrderID)
			}
		})
	}
	t.Run("NotAcrossAccounts", func(t *testing.T) {
		t.Parallel()
		if r := accept(t, in, "shop-eu", `{"Order":"o9","Merchant":["SO-1"]}`); r.OrderID == first.OrderID {
			t.Error("another account's merchant reference found the order")
		}
		r := accept(t, in, "shop-eu", `{"Order":"o1","Paid":"1.00"}`)
		if r.Outcome != commands.Quarantined || r.Code != order.FlagAccountMismatch {
			t.Errorf("another account moved money of the order: %+v", r)
		}
	})
}

// TestAccept_ManyAtOnce sends the first notifications of one order at the same
// time, through two intakes that share only the log: there must be one order
// and one capture.
func TestAccept_ManyAtOnce(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	intakes := []*commands.Intake{newIntake(log), newIntake(log)}
	for round := range 10 {
		var mu sync.Mutex
		orders := map[string]bool{}
		g, ctx := errgroup.WithContext(t.Context())
		for i := range 16 {
			body := fmt.Sprintf(`{"Order":"o%d","Merchant":["SO-%d"],"Paid":"12.50","Filler":"%d"}`, round, round, i)
			g.Go(func() error {
				r, err := intakes[i%2].Accept(ctx, commands.Notification{Gateway: "plain", Account: "default", Body: []byte(body)})
				mu.Lock()
				defer mu.Unlock()
				orders[r.OrderID] = true
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if len(orders) != 1 {
			t.Fatalf("round %d: %d orders, want one", round, len(orders))
		}
		for id := range orders {
			captures, notes := 0, 0
			for _, eventType := range streamTypes(t, log, "order-"+id) {
				switch eventType {
				case "PaymentCaptured":
					captures++
				case "NotificationRecorded":
					notes++
				}
			}
			if captures != 1 || notes != 16 {
				t.Errorf("round %d: %d captures and %d notifications, want 1 and 16", round, captures, notes)
			}
		}
	}
}

func TestAccept_WhatBelongsToNoOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		code order.Flag
	}{
		"Malformed":          {`{`, order.FlagMalformedBody},
		"NoID":               {`{"Paid":"1.00"}`, order.FlagUnknownOrder},
		"Rejected":           {`{"Order":"o1","Reject":"pan_detected"}`, order.FlagPANDetected},
		"UncountableUnknown": {`{"Order":"o1","Uncountable":true}`, order.FlagScaleViolation},
		"ControlCharacters":  {`{"Order":"o\u0000"}`, order.FlagMalformedBody},
		"EndlessID":          {`{"Order":"` + strings.Repeat("x", 2000) + `"}`, order.FlagMalformedBody},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := openNode(t)
			r := accept(t, newIntake(log), "default", c.body)
			if r.Outcome != commands.Quarantined || r.Code != c.code {
				t.Fatalf("receipt %+v, want quarantined as %s", r, c.code)
			}
			if again := accept(t, newIntake(log), "default", c.body); again.Outcome != commands.Duplicate {
				t.Errorf("the same again: %+v, want a duplicate", again)
			}
			if got := streamTypes(t, log, "quarantine-plain"); len(got) != 1 {
				t.Errorf("quarantine holds %v", got)
			}
		})
	}
}

func TestAccept_UncountableOnAKnownOrderIsFlagged(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	in := newIntake(log)
	known := accept(t, in, "default", `{"Order":"o1"}`)
	r := accept(t, in, "default", `{"Order":"o1","Paid":"1.00","Uncountable":true}`)
	if r.Outcome != commands.Accepted || r.OrderID != known.OrderID {
		t.Fatalf("receipt %+v", r)
	}
	got := strings.Join(streamTypes(t, log, "order-"+known.OrderID), " ")
	if want := "NotificationRecorded OrderRegistered NotificationRecorded AnomalyFlagged"; got != want {
		t.Errorf("events %s, want %s", got, want)
	}
}

func TestAccept_TestOrdersLiveApart(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	in := newIntake(log)
	r := accept(t, in, "default", `{"Order":"o1","Test":true}`)
	accept(t, in, "default", `{"Order":"o1","Test":true,"Paid":"1.00"}`)
	if got := streamTypes(t, log, "ordertest-"+r.OrderID); len(got) == 0 {
		t.Error("nothing in the test order's stream")
	}
	if got := streamTypes(t, log, "order-"+r.OrderID); len(got) != 0 {
		t.Errorf("a test order's events among real money: %v", got)
	}
}

func TestAccept_QuestionsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	if r := accept(t, newIntake(log), "default", `{"Order":"o1","Question":true}`); r.Outcome != commands.Answered {
		t.Errorf("receipt %+v", r)
	}
	if p, ok, err := log.Head(t.Context()); ok || err != nil {
		t.Errorf("the log is at %s, %v; want it empty", p, err)
	}
}

// failing is a log whose appends to order streams fail, before or after they
// are written.
type failing struct {
	commands.Log
	mu    sync.Mutex
	fails int
	after bool
}

func (f *failing) Append(
	ctx context.Context, stream string, expected eventstore.ExpectedRevision, events ...eventstore.EventData,
) (eventstore.AppendResult, error) {
	f.mu.Lock()
	fail := f.fails > 0 && strings.HasPrefix(stream, "order-")
	if fail {
		f.fails--
	}
	f.mu.Unlock()
	if fail && !f.after {
		return eventstore.AppendResult{}, eventstore.ErrUnavailable
	}
	r, err := f.Log.Append(ctx, stream, expected, events...)
	if fail {
		return eventstore.AppendResult{}, eventstore.ErrUnavailable
	}
	return r, err
}

// TestAccept_AfterAFailedAppend hands the same notification in again after an
// append of which nobody knows whether it happened.
func TestAccept_AfterAFailedAppend(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]bool{"NotWritten": false, "WrittenAllTheSame": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &failing{Log: openNode(t), fails: 1, after: after}
			in := newIntake(log)
			n := commands.Notification{Gateway: "plain", Account: "default", Body: []byte(`{"Order":"o1","Paid":"12.50"}`)}
			if _, err := in.Accept(t.Context(), n); !errors.Is(err, eventstore.ErrUnavailable) {
				t.Fatalf("first time: %v, want unavailable", err)
			}
			r, err := in.Accept(t.Context(), n)
			if err != nil {
				t.Fatal(err)
			}
			if got := streamTypes(t, log, "order-"+r.OrderID); len(got) != 4 {
				t.Errorf("events %v: lost or doubled", got)
			}
		})
	}
}

func TestRecordRefused_IsBounded(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	in := newIntake(log)
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	recorded := 0
	for i := range 1000 {
		ok, err := in.RecordRefused(t.Context(), commands.Notification{
			Gateway: "plain", Account: "default", Body: fmt.Appendf(nil, `{"i":%d}`, i), ReceivedAt: now,
		}, "signature does not match")
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			recorded++
		}
	}
	if recorded == 0 || recorded > 30 {
		t.Errorf("%d of 1000 refusals recorded in one moment, want a few", recorded)
	}
	if r := accept(t, in, "default", `{"Order":"o1","i":0}`); r.Outcome != commands.Accepted {
		t.Errorf("a proper notification after refusals: %+v", r)
	}
}
