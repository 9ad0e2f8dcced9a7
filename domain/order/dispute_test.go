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

// TestDecide_ProvisionFollowsTheDisputedAmount: a provision is at most what is disputed, also when less turns out to be.
func TestDecide_ProvisionFollowsTheDisputedAmount(t *testing.T) {
	t.Parallel()
	chargeback := order.At{Key: "cb", OccurredAt: day.Add(time.Hour)}
	assumed := func(t *testing.T) order.State {
		s := paid(t, registered(t, "100.00", ""), "100.00")
		s, _ = feed(t, s, observe("cb", order.Registration{SourceOrderID: "o1"},
			order.DisputeStage{At: chargeback, Payment: card, Stage: order.StageChargeback},
			order.DisputeTotals{At: order.At{Key: "d"}, Payment: card, Chargebacks: []order.At{chargeback}, ModifiedAt: day.Add(time.Hour)}))
		return after(t, s, instruct("p", order.ProvisionDispute{DisputeID: s.Disputes[0].ID, Amount: eur("80.00")}))
	}
	for name, less := range map[string]func(order.State) []order.Command{
		"CounterLearnt": func(order.State) []order.Command {
			return []order.Command{observe("less", order.Registration{SourceOrderID: "o1"},
				order.DisputeTotals{At: order.At{Key: "e"}, Payment: card, Withdrawn: ptr(eur("30.00")), ModifiedAt: day.Add(3 * time.Hour)})}
		},
		"StageTellsLess": func(order.State) []order.Command {
			return []order.Command{observe("less", order.Registration{SourceOrderID: "o1"},
				order.DisputeStage{At: order.At{Key: "rep", OccurredAt: day.Add(4 * time.Hour)}, Payment: card, Stage: order.StageRepresentment, Amount: ptr(eur("30.00"))})}
		},
		"Corrected": func(s order.State) []order.Command {
			return []order.Command{
				by("kim", "1", order.ProposeCorrection{Reason: "letter", Adjustments: []order.Adjustment{{
					Balance: order.BalanceDisputeHeld, Direction: order.Decrease, Amount: eur("70.00"), DisputeID: s.Disputes[0].ID}}}),
				by("lee", "2", order.ApproveCorrection{CorrectionID: order.DeriveID(testOrderID, "correction", "cmd:1")}),
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := assumed(t)
			for _, c := range less(s) {
				if i, ok := c.(order.Instruct); ok {
					if a, ok := i.Action.(order.ApproveCorrection); ok {
						a.CorrectionID = s.Corrections[0].ID
						i.Action = a
						c = i
					}
				}
				s = after(t, s, c)
			}
			if b := s.Balances(); !b.Provisions.Equal(eur("30.00")) {
				t.Errorf("%s is provided for a dispute about %s", b.Provisions, s.Disputes[0].Amount)
			}
		})
	}
}
