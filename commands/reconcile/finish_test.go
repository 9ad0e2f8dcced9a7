package reconcile_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
	"github.com/order-ledger/order-ledger/commands/reconcile"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// finisher is a reconciler of a process that started later, which knows how orders are created.
func (w *world) finisher(orders *commands.Orders) *reconcile.Reconciler {
	accounts := make([]reconcile.Account, 0, len(w.clients))
	for _, c := range w.clients {
		accounts = append(accounts, reconcile.Account{Gateway: c.Gateway(), Name: c.Account(), Client: c})
	}
	return reconcile.New(reconcile.Config{
		Log: w.node, Intake: w.intake, Accounts: accounts, Clock: w.clock.now, PollMin: 5 * time.Millisecond, PollMax: 50 * time.Millisecond,
		Creation: func(ctx context.Context, c order.Category, orderID, commandID string) (commands.GatewayOrder, error) {
			body, _, err := orders.Command(ctx, c, orderID, commandID)
			return commands.GatewayOrder{Description: string(body)}, err
		},
	})
}

func (w *world) register(t *testing.T, orders *commands.Orders, gateway string) commands.Done {
	t.Helper()
	due := money.MustParse("50.00", "EUR")
	done, err := orders.Register(t.Context(), commands.Request{Key: "k", Actor: "ada", Body: json.RawMessage(`{"title":"Kettle"}`)}, order.OrderRegistered{
		Kind: order.KindPayment, Source: gateway, SourceAccount: "default", AmountDue: &due,
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// TestFinish_Creation: an order whose creation was recorded when the process died, or whose answer was
// lost, is created at a gateway that takes an instruction once, and exactly once; the same request is
// answered with it then.
func TestFinish_Creation(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]bool{"ProcessDied": false, "AnswerLost": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, false)
			orders := commands.NewOrders(w.intake, nil)
			done := w.register(t, orders, fakegateway.Everifin)
			if lost {
				_, _ = w.clients[fakegateway.Everifin].Fetch(t.Context(), commands.GatewayRefs{OrderID: "none"}) // there is an access token
				w.fake.LoseHooks(1000)
				w.fake.FailNext(fakegateway.Everifin, slices.Repeat([]fakegateway.Fault{{Status: http.StatusBadGateway, Executed: true, Write: true}}, 4)...)
				told, err := w.reconciler.CarryOut(t.Context(), &done, commands.GatewayOrder{Description: "Kettle"})
				if err != nil || told.Outcome != order.GatewayUnknown {
					t.Fatalf("%+v, %v", told, err)
				}
			}
			w.clock.pass(time.Minute)
			r := w.finisher(orders)
			for range 2 {
				if err := r.Check(t.Context(), "order-"+done.OrderID); err != nil {
					t.Fatal(err)
				}
			}
			s := w.orders(t)[fakegateway.Everifin]
			if a := s.GatewayActions[0]; a.Outcome != order.GatewayAccepted || a.Checkout == "" || len(s.Payments) != 1 || len(s.Flags()) > 0 {
				t.Errorf("action %+v, %d payments, flags %v", a, len(s.Payments), s.Flags())
			}
			again := w.register(t, orders, fakegateway.Everifin)
			told, err := r.CarryOut(t.Context(), &again, commands.GatewayOrder{})
			if err != nil || told.Outcome != order.GatewayAccepted || told.Checkout == "" {
				t.Errorf("the same request is answered %+v, %v", told, err)
			}
			if n := w.fake.Calls(fakegateway.Everifin, "POST order"); lost && n != 5 || !lost && n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// TestFinish_NotWhereItMightBePaidTwice: elsewhere the order stays open with an alarm, and nothing is asked.
func TestFinish_NotWhereItMightBePaidTwice(t *testing.T) {
	t.Parallel()
	w := setup(t, false)
	orders := commands.NewOrders(w.intake, nil)
	done := w.register(t, orders, fakegateway.Decta)
	w.clock.pass(order.AnswerPatience)
	if err := w.finisher(orders).Check(t.Context(), "order-"+done.OrderID); err != nil {
		t.Fatal(err)
	}
	s := w.orders(t)[fakegateway.Decta]
	if !slices.Contains(s.Flags(), order.FlagGatewayOutcomeUnknown) || s.Lifecycle != order.LifecycleOpen {
		t.Errorf("flags %v, %s", s.Flags(), s.Lifecycle)
	}
	if n := w.fake.Calls(fakegateway.Decta, "POST order"); n != 0 {
		t.Errorf("asked %d times", n)
	}
	told, err := w.reconciler.CarryOut(t.Context(), ptrTo(w.register(t, orders, fakegateway.Decta)), commands.GatewayOrder{})
	if err != nil || told.Outcome != order.GatewayUnknown {
		t.Errorf("the same request is answered %+v, %v", told, err)
	}
}

// TestFinish_Refund: a refund whose answer was lost is asked for again under its id, and made once.
func TestFinish_Refund(t *testing.T) {
	t.Parallel()
	w := setup(t, false)
	orders := commands.NewOrders(w.intake, nil)
	answer := w.create(t, fakegateway.Everifin)
	if err := w.fake.Pay(t.Context(), answer.PaymentID); err != nil {
		t.Fatal(err)
	}
	id := w.orders(t)[fakegateway.Everifin].ID
	if err := w.reconciler.Check(t.Context(), "order-"+id); err != nil { // the webhook told no amount
		t.Fatal(err)
	}
	done, err := orders.Do(t.Context(), id, commands.Request{Key: "r", Actor: "ada", Body: json.RawMessage(`{}`)}, order.RefundPayment{AtGateway: true})
	if err != nil {
		t.Fatal(err)
	}
	w.fake.LoseHooks(1000)
	w.fake.FailNext(fakegateway.Everifin, slices.Repeat([]fakegateway.Fault{{Status: http.StatusBadGateway, Executed: true, Write: true}}, 4)...)
	if told, err := w.reconciler.CarryOut(t.Context(), &done, commands.GatewayOrder{}); err != nil || told.Outcome != order.GatewayUnknown {
		t.Fatalf("%+v, %v", told, err)
	}
	w.clock.pass(time.Minute)
	if err := w.finisher(orders).Check(t.Context(), "order-"+id); err != nil {
		t.Fatal(err)
	}
	s := w.orders(t)[fakegateway.Everifin]
	if len(s.Refunds) != 1 || s.Refunds[0].SourceID == "" || s.GatewayActions[0].Outcome != order.GatewayAccepted || s.Balances().RefundPending.String() != "50.00" {
		t.Errorf("refunds %+v, action %+v", s.Refunds, s.GatewayActions[0])
	}
}

func ptrTo[T any](v T) *T { return &v }
