package commands_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// dying is a log whose process dies before an order is written: names are bound, the order is not.
type dying struct {
	commands.Log

	dead atomic.Bool
}

var errDied = errors.New("the process died")

func (d *dying) Append(ctx context.Context, stream string, at eventstore.ExpectedRevision, events ...eventstore.EventData) (eventstore.AppendResult, error) {
	if d.dead.Load() && strings.HasPrefix(stream, "order") {
		return eventstore.AppendResult{}, errDied
	}
	return d.Log.Append(ctx, stream, at, events...)
}

func countEvents(t *testing.T, log eventstore.Reader) int {
	t.Helper()
	n := 0
	for _, err := range log.ReadAll(t.Context(), eventstore.AllRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// TestRegister_ReferenceTaken: two orders of an account cannot go by one reference, and the second attempt
// leaves nothing behind, not even its key.
func TestRegister_ReferenceTaken(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	o := commands.NewOrders(newIntake(log), nil)
	first := register(t, o, "a", "SO-1", "100.00")
	before := countEvents(t, log)
	_, err := o.Register(t.Context(), asked("b", `{}`), registration("SO-1", "50.00"), false)
	var taken *commands.ReferenceTakenError
	if !errors.As(err, &taken) || taken.OrderID != first.OrderID {
		t.Errorf("%v, want that order %s has the reference", err, first.OrderID)
	}
	if n := countEvents(t, log) - before; n != 0 {
		t.Errorf("%d events of a refused request", n)
	}
	register(t, o, "b", "SO-2", "50.00")
}

// TestRegister_KeyOfAnotherRequestBindsNothing: the number in a request that is refused for its key stays
// free for whoever means it.
func TestRegister_KeyOfAnotherRequestBindsNothing(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	o := commands.NewOrders(newIntake(log), nil)
	first := register(t, o, "k1", "A-1", "100.00")
	before := countEvents(t, log)
	_, err := o.Register(t.Context(), asked("k1", `{"number":"A-2","due":"100.00"}`), registration("A-2", "100.00"), false)
	var reused *commands.KeyReusedError
	if !errors.As(err, &reused) || !slices.Equal(reused.Fields, []string{"number"}) {
		t.Errorf("%v, want that the number differs", err)
	}
	if n := countEvents(t, log) - before; n != 0 {
		t.Errorf("%d events of a refused request", n)
	}
	if second := register(t, o, "k2", "A-2", "100.00"); second.OrderID == first.OrderID {
		t.Errorf("A-2 is order %s, which is A-1", second.OrderID)
	}
}

// TestRegister_AfterACrash: names of an order that was never written are free again, for the same request,
// for another key and for a test order, in this process and the next.
func TestRegister_AfterACrash(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]struct {
		key  string
		test bool
	}{"SameKey": {"k", false}, "OtherKey": {"other", false}, "TestOrder": {"test", true}} {
		for _, restarted := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/restarted=%t", name, restarted), func(t *testing.T) {
				t.Parallel()
				log := &dying{Log: openNode(t)}
				o := commands.NewOrders(newIntake(log), nil)
				log.dead.Store(true)
				if _, err := o.Register(t.Context(), asked("k", `{}`), registration("SO-1", "1.00"), false); !errors.Is(err, errDied) {
					t.Fatal(err)
				}
				log.dead.Store(false)
				if restarted {
					o = commands.NewOrders(newIntake(log), nil)
				}
				_, err := o.Register(t.Context(), asked("k", `{}`), registration("SO-2", "1.00"), false)
				var reused *commands.KeyReusedError
				if !errors.As(err, &reused) || !slices.Equal(reused.Fields, []string{"number"}) {
					t.Errorf("the key with another number: %v", err)
				}
				reg := registration("SO-1", "1.00")
				reg.IsTest = next.test
				done, err := o.Register(t.Context(), asked(next.key, `{}`), reg, false)
				if err != nil {
					t.Fatal(err)
				}
				in := newIntake(log)
				if r := accept(t, in, "default", fmt.Sprintf(`{"Order":"g1","Merchant":["SO-1"],"Paid":"1.00","Test":%t}`, next.test)); r.OrderID != done.OrderID {
					t.Errorf("the gateway's SO-1 is order %s, want %s", r.OrderID, done.OrderID)
				}
				if _, s, err := commands.NewOrders(in, nil).Get(t.Context(), done.OrderID); err != nil || s.IsTest != next.test || !s.Exists {
					t.Errorf("order %+v, %v", s.ID, err)
				}
				var taken *commands.ReferenceTakenError
				if _, err := o.Register(t.Context(), asked("third", `{}`), registration("SO-1", "1.00"), false); !errors.As(err, &taken) {
					t.Errorf("%v, want that the number is taken now", err)
				}
			})
		}
	}
}

// TestRegister_OneOfMany: of many who want one number at once, in two processes, after a crash that left
// it bound, one gets it and all others are told who has it.
func TestRegister_OneOfMany(t *testing.T) {
	t.Parallel()
	log := &dying{Log: openNode(t)}
	log.dead.Store(true)
	_, err := commands.NewOrders(newIntake(log), nil).Register(t.Context(), asked("dead", `{}`), registration("SO-1", "1.00"), false)
	if !errors.Is(err, errDied) {
		t.Fatal(err)
	}
	log.dead.Store(false)
	ledgers := []*commands.Orders{commands.NewOrders(newIntake(log), nil), commands.NewOrders(newIntake(log), nil)}
	winners := make([]string, 32)
	var group errgroup.Group
	for i := range winners {
		group.Go(func() error {
			done, err := ledgers[i%2].Register(t.Context(), asked(fmt.Sprint("k", i/2), `{}`), registration("SO-1", "1.00"), false)
			var taken *commands.ReferenceTakenError
			if errors.As(err, &taken) {
				winners[i] = taken.OrderID
				return nil
			}
			winners[i] = done.OrderID
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if found := slices.Compact(slices.Sorted(slices.Values(winners))); len(found) != 1 {
		t.Errorf("orders %v go by one number", found)
	}
	types := streamTypes(t, log, "order-"+winners[0])
	if !slices.Equal(types, []string{order.OrderRegistered{}.EventType(), order.CommandRecorded{}.EventType()}) {
		t.Errorf("events %v", types)
	}
}
