package order_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// TestDecide_ForeignCurrencyMovesNothing is invariant I13: an amount in another
// currency, in whatever fact, is recorded and flagged, and no balance changes.
func TestDecide_ForeignCurrencyMovesNothing(t *testing.T) {
	t.Parallel()
	usd := money.MustParse("12.50", "USD")
	p := order.PaymentRef{SourceID: "p1", SourceOrderID: "o1"}
	at := order.At{Key: "foreign", OccurredAt: day.Add(24 * time.Hour)}
	facts := []order.Fact{
		order.PaymentSeen{At: at, Payment: p, Amount: &usd},
		order.Captured{At: at, Payment: p, Amount: &usd},
		order.Settled{At: at, Payment: p, Amount: &usd},
		order.Totals{At: at, Payment: p, Total: usd, Captured: true, CapturedAt: at.OccurredAt},
		order.Confirmed{At: at, Payment: p, Amount: &usd},
		order.PaidOutside{At: at, Amount: &usd},
		order.RefundReported{At: at, SourceRefundID: "r1", Payment: &p, Step: order.RefundStepCompleted, Amount: &usd},
		order.RefundTotals{At: at, Payment: p, Refunded: &usd, ModifiedAt: at.OccurredAt},
		order.RefundWord{At: at, Payment: p, Step: order.RefundStepCompleted, Amount: &usd},
		order.DisputeStage{At: at, Payment: p, Stage: order.StageChargeback, Amount: &usd},
		order.DisputeTotals{At: at, Payment: p, Withdrawn: &usd, ModifiedAt: at.OccurredAt},
		order.Fee{At: at, Kind: "processing", Amount: usd},
	}
	for _, foreign := range facts {
		due := eur("100.00")
		reg := order.Registration{AmountDue: &due, SourceOrderID: "o1"}
		var s order.State
		s, _ = feed(t, s, observe("b1", reg,
			order.Totals{At: order.At{Key: "t", OccurredAt: day}, Payment: p, Total: due, Captured: true, CapturedAt: day}))
		before := s.Balances()
		s, decided := feed(t, s, observe("b2", reg, foreign))
		if diff := cmp.Diff(before, s.Balances(), moneyByValue); diff != "" {
			t.Errorf("%T in USD moved money:\n%s", foreign, diff)
		}
		if !slices.Contains(s.Flags(), order.FlagCurrencyMismatch) || len(decided) == 0 {
			t.Errorf("%T in USD: flags %v, %d events", foreign, s.Flags(), len(decided))
		}
	}
}

// TestDecide_MoneyAfterCloseCounts is invariant I24: whatever closed the order,
// money that comes later is captured, makes it paid, and is flagged; the
// lifecycle stays what it is.
func TestDecide_MoneyAfterCloseCounts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		closed := order.At{Key: "closed", OccurredAt: day.Add(time.Hour)}
		end := rapid.SampledFrom([]struct {
			fact order.Fact
			want order.Lifecycle
		}{
			{order.Cancelled{At: closed, SourceOrderID: "o1"}, order.LifecycleCancelled},
			{order.Expired{At: closed}, order.LifecycleExpired},
			{order.Rejected{At: closed}, order.LifecycleRejected},
		}).Draw(t, "end")
		due, paid := drawAmount(t), drawAmount(t)
		p := order.PaymentRef{SourceID: "p1", SourceOrderID: "o1"}
		reg := order.Registration{AmountDue: &due, SourceOrderID: "o1"}
		capture := order.Captured{At: order.At{Key: "paid", OccurredAt: day.Add(2 * time.Hour)}, Payment: p, Amount: &paid}
		bodies := [][]order.Fact{{end.fact}, {capture}}
		if rapid.Bool().Draw(t, "the money is reported first") {
			slices.Reverse(bodies)
		}
		var s order.State
		s, _ = feed(t, s, observe("b1", reg, bodies[0]...))
		s, _ = feed(t, s, observe("b2", reg, bodies[1]...))
		checkState(t, &s)
		if got := s.Balances().Captured; !got.Amount().Equal(paid.Amount()) {
			t.Fatalf("captured %s, want %s", got, paid)
		}
		if s.Lifecycle != end.want {
			t.Fatalf("lifecycle %s, want %s", s.Lifecycle, end.want)
		}
		if got := slices.Contains(s.Flags(), order.FlagPaidAfterClose); got != paid.IsPositive() {
			t.Fatalf("flags %v after %s came late", s.Flags(), paid)
		}
	})
}
