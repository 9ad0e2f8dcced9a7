package reconcile_test

import (
	"slices"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
	"github.com/order-ledger/order-ledger/commands/reconcile"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// TestAlarms moves the clock to both sides of each alarm, at an account without an API, whose clocks are the
// defaults: nothing is raised before its time, and nothing but the alarm is recorded.
func TestAlarms(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		gateway string
		begin   func(*testing.T, *world) // what the gateway told
		after   time.Duration            // when the alarm is due
		code    order.Flag
	}{
		"DuePassed": {fakegateway.Decta, func(t *testing.T, w *world) {
			due, amount := w.clock.now().Add(5*day), money.MustParse("50.00", "EUR")
			if _, err := commands.NewOrders(w.intake, nil).Register(t.Context(), commands.Request{Actor: "ada", Body: []byte("{}")}, order.OrderRegistered{
				Kind: order.KindPayment, Source: fakegateway.Decta, SourceAccount: "default", AmountDue: &amount, DueAt: &due,
			}, false); err != nil {
				t.Fatal(err)
			}
		}, 5 * day, order.FlagDuePassed},
		"HoldExpiring": {fakegateway.Decta, func(t *testing.T, w *world) {
			pay(t, w, createWith(t, w, fakegateway.Decta, commands.GatewayOrder{SkipCapture: true}))
		}, 26 * day, order.FlagHoldExpiring},
		"PaymentStale": {fakegateway.Everifin, func(t *testing.T, w *world) {
			createWith(t, w, fakegateway.Everifin, commands.GatewayOrder{})
		}, 30 * time.Minute, order.FlagPaymentStale},
		"ConfirmedStale": {fakegateway.Everifin, turned("CONFIRMED"), 4 * day, order.FlagConfirmedStale},
		"OutcomeStale":   {fakegateway.Everifin, turned("PROCESSING_EXPIRED"), 5 * day, order.FlagOutcomeStale},
		"RefundStuck": {fakegateway.ConnectPay, func(t *testing.T, w *world) {
			a := createWith(t, w, fakegateway.ConnectPay, commands.GatewayOrder{})
			pay(t, w, a)
			if _, err := w.clients[fakegateway.ConnectPay].Refund(t.Context(), commands.GatewayRefs{}, commands.GatewayRefund{
				PaymentID: a.PaymentID, Amount: money.MustParse("10.00", "EUR"),
			}); err != nil {
				t.Fatal(err)
			}
		}, 10 * day, order.FlagRefundStuck},
		"DisputeDeadline": {fakegateway.Decta, func(t *testing.T, w *world) {
			pay(t, w, createWith(t, w, fakegateway.Decta, commands.GatewayOrder{}))
			by := w.clock.now().Add(30 * day)
			dispute(t, w, order.RecordDispute{Stage: order.StageChargeback, RespondBy: &by})
		}, 27 * day, order.FlagDisputeDeadline},
		"DisputeStale": {fakegateway.Decta, func(t *testing.T, w *world) {
			pay(t, w, createWith(t, w, fakegateway.Decta, commands.GatewayOrder{}))
			dispute(t, w, order.RecordDispute{Stage: order.StageChargeback})
		}, 120 * day, order.FlagDisputeStale},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, false)
			c.begin(t, w)
			r := reconcile.New(reconcile.Config{
				Log: w.node, Intake: w.intake, Clock: w.clock.now, Accounts: []reconcile.Account{{Gateway: c.gateway, Name: "default"}},
			})
			before := w.orders(t)[c.gateway]
			stream := "order-" + before.ID
			raised := func() bool {
				t.Helper()
				if err := r.Check(t.Context(), stream); err != nil {
					t.Fatal(err)
				}
				s := w.orders(t)[c.gateway]
				return slices.Contains(s.Flags(), c.code)
			}
			w.clock.pass(c.after - 2*time.Minute)
			if raised() {
				t.Errorf("%s was raised before its time", c.code)
			}
			w.clock.pass(4 * time.Minute)
			for range 2 { // the second time finds it there
				if !raised() {
					t.Errorf("%s was not raised", c.code)
				}
			}
			if s := w.orders(t)[c.gateway]; s.Revision != before.Revision+1 {
				t.Errorf("%d events were recorded, want the alarm alone", s.Revision-before.Revision)
			}
		})
	}
}

func createWith(t *testing.T, w *world, gateway string, o commands.GatewayOrder) commands.GatewayAnswer {
	t.Helper()
	o.InstructionID, o.Reference, o.Amount, o.Description = "i-1", "SO-1", money.MustParse("50.00", "EUR"), "Kettle"
	answer, err := w.clients[gateway].Create(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func pay(t *testing.T, w *world, a commands.GatewayAnswer) {
	t.Helper()
	if err := w.fake.Pay(t.Context(), a.PaymentID); err != nil {
		t.Fatal(err)
	}
}

// turned is an Everifin payment with a status.
func turned(status string) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		t.Helper()
		a := createWith(t, w, fakegateway.Everifin, commands.GatewayOrder{})
		if err := w.fake.Turn(t.Context(), a.PaymentID, status, ""); err != nil {
			t.Fatal(err)
		}
		if err := w.reconciler.Check(t.Context(), "order-"+w.orders(t)[fakegateway.Everifin].ID); err != nil { // a webhook tells no amount
			t.Fatal(err)
		}
	}
}

func dispute(t *testing.T, w *world, a order.RecordDispute) {
	t.Helper()
	id := w.orders(t)[fakegateway.Decta].ID
	if _, err := commands.NewOrders(w.intake, nil).Do(t.Context(), id, commands.Request{Actor: "ada", Body: []byte("{}")}, a); err != nil {
		t.Fatal(err)
	}
}
