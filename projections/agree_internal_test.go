package projections

import (
	"errors"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/internal/invariant"
)

// paidState is an order of 12.50 EUR that one payment captured, settled in part, disputed.
func paidState() order.State {
	amount := money.MustParse("12.50", "EUR")
	return order.State{
		ID: "o", Exists: true, Currency: money.MustCurrency("EUR"), AmountDue: amount, DueKnown: true,
		Payments: []order.Payment{{ID: "p", Captured: amount, Settled: money.MustParse("2.50", "EUR")}},
		Disputes: []order.Dispute{{ID: "d", Withdrawn: amount, Lost: money.MustParse("3.00", "EUR"), Steps: []order.DisputeStep{
			{Seq: 1, Stage: "funds_withdrawn", Amount: amount, Moved: amount.Neg()}}}},
	}
}

// TestRows_Agree fills the rows of an order as a faulty projection would, one fault at a time: each is a
// breach, by name, and parks the order instead of being committed.
func TestRows_Agree(t *testing.T) {
	t.Parallel()
	whole := paidState()
	less := paidState()
	less.Payments[0].Captured = money.MustParse("12.49", "EUR")
	unsettled := paidState()
	unsettled.Payments[0].Settled = money.Zero(whole.Currency)
	won := paidState()
	won.Disputes[0].Lost = money.Zero(whole.Currency)
	none := paidState()
	none.Payments, none.Disputes = nil, nil
	stepless := paidState()
	stepless.Disputes[0].Steps[0].Moved = money.MustParse("-99.00", "EUR")
	for name, c := range map[string]struct {
		live, parts order.State
		want        string
	}{
		"Whole":         {whole, whole, ""},
		"Nothing":       {order.State{ID: "o"}, order.State{}, ""},
		"PartsMissing":  {whole, none, "captured is 12.50 EUR"},
		"TooManyParts":  {none, whole, "captured is 0.00 EUR"},
		"ACentLess":     {whole, less, "add up to 12.49 EUR"},
		"Unsettled":     {whole, unsettled, "settled is 2.50 EUR"},
		"DisputeLost":   {whole, won, "dispute_lost is 3.00 EUR"},
		"TimelineMoved": {stepless, stepless, "their timelines moved -99.00 EUR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r rows
			earlier := paidState()
			if err := r.add(&orderState{category: order.CategoryOrder, id: "earlier", registered: true, state: earlier}); err != nil {
				t.Fatalf("an order before: %v", err)
			}
			before := r.filled()
			r.live.Add("o", &c.live, nil)
			r.payments.Add("o", &c.parts)
			r.disputes.Add("o", &c.parts)
			err := r.agree(before)
			var breach *invariant.BreachError
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (!errors.As(err, &breach) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
