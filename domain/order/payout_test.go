package order_test

import (
	"slices"
	"testing"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// A payout of which a gateway tells that more came back than went out cannot have less than nothing paid out: what went
// out came back, and the order says that somebody should look.
func TestDecide_PayoutReversedForMoreThanWentOut(t *testing.T) {
	t.Parallel()
	out, back := money.MustParse("10.00", "EUR"), money.MustParse("12.00", "EUR")
	state := order.State{}
	for i, f := range []order.Fact{
		order.PayoutReported{At: order.At{Key: "paid"}, Status: order.PayoutStatePaid, Amount: &out},
		order.PayoutReported{At: order.At{Key: "reversed"}, Status: order.PayoutStateReversed, Amount: &back},
	} {
		decided, err := order.Decide(state, order.Observe{
			OrderID: "o", Facts: []order.Fact{f}, Evidence: order.NotificationRecorded{Gateway: "decta", BodySHA256: string(rune('a' + i))},
			Registration: order.Registration{Source: "decta", Kind: order.KindPayout},
		})
		if err != nil {
			t.Fatal(err)
		}
		for j, d := range decided {
			state.Apply(order.Recorded{Event: d.Event, ID: d.ID, Revision: uint64(i*10 + j)})
		}
	}
	if p := state.Payout; !p.PaidOut.IsZero() || p.Status != order.PayoutStateReversed {
		t.Errorf("%s is paid out, %s", p.PaidOut.Format(), p.Status)
	}
	if !slices.Contains(state.Flags(), order.FlagUnexpectedTransition) {
		t.Errorf("flags %v", state.Flags())
	}
}
