package commands_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/privacy"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

func registration(reference, due string) order.OrderRegistered {
	amount := money.MustParse(due, "EUR")
	return order.OrderRegistered{
		Kind: order.KindPayment, Source: "plain", SourceAccount: "default", MerchantReference: reference, AmountDue: &amount,
	}
}

func asked(key, body string) commands.Request {
	return commands.Request{Key: key, Actor: "ada", Body: json.RawMessage(body)}
}

func register(t *testing.T, o *commands.Orders, key, reference, due string) commands.Done {
	t.Helper()
	done, err := o.Register(t.Context(), asked(key, fmt.Sprintf(`{"number":%q,"due":%q}`, reference, due)), registration(reference, due), false)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func refundOf(amount string) order.Action {
	m := money.MustParse(amount, "EUR")
	return order.RefundPayment{Amount: &m, ByHand: true}
}

// paidOrder is registered through us and paid at the gateway, which names it by our reference.
func paidOrder(t *testing.T, in *commands.Intake, o *commands.Orders) string {
	t.Helper()
	done := register(t, o, "", "SO-1", "100.00")
	if r := accept(t, in, "default", `{"Order":"g1","Merchant":["SO-1"],"Paid":"100.00"}`); r.OrderID != done.OrderID {
		t.Fatalf("the notification went to order %s, want %s", r.OrderID, done.OrderID)
	}
	return done.OrderID
}

// TestOrders_ConcurrentRefunds: 64 partial refunds at once, through two ledgers on one log; what is
// refunded never exceeds what is refundable, and as many are accepted as fit.
func TestOrders_ConcurrentRefunds(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	in := newIntake(log)
	ledgers := []*commands.Orders{commands.NewOrders(in, nil), commands.NewOrders(newIntake(log), nil)}
	id := paidOrder(t, in, ledgers[0])
	var accepted, refused atomic.Int32
	var group errgroup.Group
	for i := range 64 {
		group.Go(func() error {
			for { // a store that is busy asks to come again
				_, err := ledgers[i%2].Do(t.Context(), id, asked(fmt.Sprintf("k%d", i), `{"amount":"3.00"}`), refundOf("3.00"))
				var rejection *order.Rejection
				switch {
				case err == nil:
					accepted.Add(1)
				case errors.As(err, &rejection) && rejection.Code == "refund_exceeds_refundable":
					refused.Add(1)
				case strings.Contains(err.Error(), "attempts lost"):
					continue
				default:
					return err
				}
				return nil
			}
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	_, state, err := ledgers[0].Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	b := state.Balances()
	if accepted.Load() != 33 || refused.Load() != 31 || b.RefundPending.Format() != money.MustParse("99.00", "EUR").Format() {
		t.Errorf("%d accepted, %d refused, %s pending; want 33, 31, 99.00", accepted.Load(), refused.Load(), b.RefundPending)
	}
}

// TestOrders_TwoOperators: both look at one revision and act; one wins, the other is told.
func TestOrders_TwoOperators(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	in := newIntake(log)
	o := commands.NewOrders(in, nil)
	done := register(t, o, "", "SO-1", "100.00")
	var conflicts atomic.Int32
	var group errgroup.Group
	for i := range 2 {
		group.Go(func() error {
			r := asked("", `{}`)
			r.Revision = &done.Revision
			amount := money.MustParse(fmt.Sprintf("%d.00", 50+i), "EUR")
			_, err := o.Do(t.Context(), done.OrderID, r, order.MarkReceived{Amount: &amount})
			var moved *commands.RevisionError
			if errors.As(err, &moved) && moved.Expected == done.Revision {
				conflicts.Add(1)
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if conflicts.Load() != 1 {
		t.Errorf("%d conflicts, want 1", conflicts.Load())
	}
}

// TestOrders_SameKeySameAnswer: a repeated request gets the answer of the first, whatever has happened
// since and whichever process is asked; nothing is written.
func TestOrders_SameKeySameAnswer(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	in := newIntake(log)
	o := commands.NewOrders(in, nil)
	first := register(t, o, "create", "SO-1", "100.00")
	accept(t, in, "default", `{"Order":"g1","Merchant":["SO-1"],"Paid":"100.00"}`)
	refunded, err := o.Do(t.Context(), first.OrderID, asked("refund", `{"amount":"10.00"}`), refundOf("10.00"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Do(t.Context(), first.OrderID, asked("refund 2", `{"amount":"90.00"}`), refundOf("90.00")); err != nil {
		t.Fatal(err)
	}
	before := streamTypes(t, log, "order-"+first.OrderID)
	for _, ledger := range []*commands.Orders{o, commands.NewOrders(newIntake(log), nil)} {
		again := register(t, ledger, "create", "SO-1", "100.00")
		if again.OrderID != first.OrderID || again.Position != first.Position || again.Revision != first.Revision || !again.Replayed {
			t.Errorf("registered again: %+v, want the first answer %+v", again, first)
		}
		second, err := ledger.Do(t.Context(), first.OrderID, asked("refund", `{"amount":"10.00"}`), refundOf("10.00"))
		if err != nil {
			t.Fatal(err)
		}
		if second.Position != refunded.Position || len(second.State.Refunds) != 1 || second.State.Revision != refunded.State.Revision {
			t.Errorf("refunded again: position %s with %d refunds, want %s with one", second.Position, len(second.State.Refunds), refunded.Position)
		}
	}
	if after := streamTypes(t, log, "order-"+first.OrderID); !slices.Equal(after, before) {
		t.Errorf("events %v, want %v", after, before)
	}
}

// TestOrders_SameKeyOtherBody names what differs, personal data included, and does nothing.
func TestOrders_SameKeyOtherBody(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	master, err := privacy.NewLocalMaster(make([]byte, privacy.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	vault, err := privacy.OpenVault(privacy.KeysInFolder(t.TempDir()), master)
	if err != nil {
		t.Fatal(err)
	}
	o := commands.NewOrders(newIntake(log), vault)
	r := asked("create", `{"number":"SO-1","products":[{"price":"1.00"}]}`)
	r.Personal = json.RawMessage(`{"client":{"email":"ada@example.com"}}`)
	done, err := o.Register(t.Context(), r, registration("SO-1", "1.00"), false)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = json.RawMessage(`{"number":"SO-1","products":[{"price":"2.00"}],"currency":"EUR"}`)
	r.Personal = json.RawMessage(`{"client":{"email":"eve@example.com"}}`)
	_, err = o.Register(t.Context(), r, registration("SO-1", "2.00"), false)
	var reused *commands.KeyReusedError
	if !errors.As(err, &reused) || !slices.Equal(reused.Fields, []string{"currency", "products[0].price", "client.email"}) {
		t.Errorf("%v, want the fields that differ", err)
	}
	if _, err := o.Do(t.Context(), done.OrderID, asked("create", `{}`), order.CancelOrder{}); !errors.As(err, &reused) {
		t.Errorf("another action with the key: %v, want it refused", err)
	}
	for e, err := range log.ReadStream(t.Context(), "order-"+done.OrderID, eventstore.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(e.Data)+string(e.Metadata), "example.com") {
			t.Errorf("%s holds personal data in clear: %s", e.Type, e.Data)
		}
	}
}

func TestOrders_PersonalDataNeedsASealer(t *testing.T) {
	t.Parallel()
	o := commands.NewOrders(newIntake(openNode(t)), nil)
	r := asked("", `{}`)
	r.Personal = json.RawMessage(`{"client":{"email":"ada@example.com"}}`)
	if _, err := o.Register(t.Context(), r, registration("SO-1", "1.00"), false); !errors.Is(err, commands.ErrNoSealer) {
		t.Errorf("%v, want ErrNoSealer", err)
	}
	register(t, o, "", "SO-1", "1.00")
}

func TestOrders_UnknownOrder(t *testing.T) {
	t.Parallel()
	o := commands.NewOrders(newIntake(openNode(t)), nil)
	for _, id := range []string{"", "x", "01J9ZZZZZZZZZZZZZZZZZZZZZZ"} {
		if _, err := o.Do(t.Context(), id, asked("", `{}`), order.CancelOrder{}); !errors.Is(err, commands.ErrOrderNotFound) {
			t.Errorf("order %q: %v, want ErrOrderNotFound", id, err)
		}
	}
}
