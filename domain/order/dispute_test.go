package order_test

import (
	"slices"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/domain/order"
)

// The amount of a chargeback was assumed, somebody said how the dispute ended, and only then the gateway tells a lower
// amount: the notification is taken, what was decided stays, and the order says that somebody should look.
func TestDecide_ChargebackLearntAfterTheOutcome(t *testing.T) {
	t.Parallel()
	p := order.PaymentRef{SourceID: "p1", SourceOrderID: "o1"}
	due, told := eur("100.00"), eur("70.00")
	chargeback := order.At{Key: "cb", OccurredAt: day.Add(time.Hour)}
	var s order.State
	s, _ = feed(t, s, observe("b1", order.Registration{AmountDue: &due, SourceOrderID: "o1"},
		order.Captured{At: order.At{Key: "c", OccurredAt: day}, Payment: p, Amount: &due},
		order.DisputeStage{At: chargeback, Payment: p, Stage: order.StageChargeback},
		order.DisputeTotals{At: order.At{Key: "d"}, Payment: p, Chargebacks: []order.At{chargeback}, ModifiedAt: day.Add(time.Hour)},
	))
	s, _ = feed(t, s, order.ResolveDispute{Key: "1", DisputeID: s.Disputes[0].ID, Outcome: order.OutcomeLost, OccurredAt: day.Add(2 * time.Hour)})
	before := s.Balances()
	s, _ = feed(t, s, observe("b2", order.Registration{SourceOrderID: "o1"},
		order.DisputeTotals{At: order.At{Key: "e"}, Payment: p, Withdrawn: &told, ModifiedAt: day.Add(3 * time.Hour)}))
	if after := s.Balances(); !after.DisputeLost.Equal(before.DisputeLost) || !after.DisputeHeld.IsZero() || len(s.Disputes) != 1 {
		t.Errorf("lost %s, held %s, %d disputes", after.DisputeLost, after.DisputeHeld, len(s.Disputes))
	}
	if !slices.Contains(s.Flags(), order.FlagCounterRegressed) {
		t.Errorf("flags %v", s.Flags())
	}
}
