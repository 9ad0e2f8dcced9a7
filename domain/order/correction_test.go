package order_test

import (
	"errors"
	"testing"

	"github.com/order-ledger/order-ledger/domain/order"
)

// by is a command of a person who uses a token of theirs.
func by(person, key string, a order.Action) order.Instruct {
	c := instruct(key, a)
	c.Person, c.Actor = person, person+"/"+key
	return c
}

// TestCorrection_TakesTwoPeople: a proposal moves nothing; its proposer cannot approve it with another
// token, nor anybody when one person was asked; once approved it cannot be approved again.
func TestCorrection_TakesTwoPeople(t *testing.T) {
	t.Parallel()
	s := paid(t, registered(t, "100.00", ""), "100.00")
	proposal := order.ProposeCorrection{Reason: "bank statement", Adjustments: []order.Adjustment{{
		Balance: order.BalanceCaptured, Direction: order.Decrease, Amount: eur("10.00"), PaymentID: s.Payments[0].ID,
	}}}
	s = after(t, s, by("kim", "token1", proposal))
	proposal.Approver = "lee"
	s = after(t, s, by("kim", "token2", proposal))
	free, asked := s.Corrections[0].ID, s.Corrections[1].ID
	if len(s.Corrections) != 2 || !s.Balances().Captured.Equal(eur("100.00")) {
		t.Fatalf("%d corrections proposed, %s captured", len(s.Corrections), s.Balances().Captured)
	}
	refuse := func(s order.State, c order.Instruct, code string) {
		t.Helper()
		decided, err := order.Decide(s, c)
		var refused *order.Rejection
		if !errors.As(err, &refused) || refused.Code != code || len(decided) > 0 {
			t.Errorf("%s of %s: %v, want a refusal %s", c.Action.ActionName(), c.Person, err, code)
		}
	}
	refuse(s, by("kim", "token3", order.ApproveCorrection{CorrectionID: free}), "approver_required")
	refuse(s, by("KIM", "token4", order.ApproveCorrection{CorrectionID: free}), "approver_required")
	refuse(s, by("eve", "token5", order.ApproveCorrection{CorrectionID: asked}), "approver_other")
	refuse(s, by("lee", "token5", order.ApproveCorrection{CorrectionID: "x"}), "correction_unknown")

	s, decided := feed(t, s, by("lee", "token6", order.ApproveCorrection{CorrectionID: free}))
	if c := s.Corrections[0]; !s.Balances().Captured.Equal(eur("90.00")) || c.Status != order.CorrectionIsApproved || c.Approver != "lee/token6" {
		t.Errorf("%s captured, correction %+v", s.Balances().Captured, c)
	}
	if len(decided) != 2 {
		t.Errorf("%d events, want the command and the correction", len(decided))
	}
	refuse(s, by("eve", "token7", order.ApproveCorrection{CorrectionID: free}), "correction_decided")

	s = after(t, s, by("kim", "token8", order.DeclineCorrection{CorrectionID: asked, Reason: "twice"}))
	refuse(s, by("lee", "token9", order.ApproveCorrection{CorrectionID: asked}), "correction_decided")
}

// TestCorrection_IsCheckedAgain: what was possible when it was proposed may not be when it is approved.
func TestCorrection_IsCheckedAgain(t *testing.T) {
	t.Parallel()
	s := paid(t, registered(t, "100.00", ""), "100.00")
	s = after(t, s, by("kim", "a", order.ProposeCorrection{Reason: "x", Adjustments: []order.Adjustment{{
		Balance: order.BalanceCaptured, Direction: order.Decrease, Amount: eur("50.00"), PaymentID: s.Payments[0].ID,
	}}}))
	s = after(t, s, by("kim", "b", refund("60.00")))
	_, err := order.Decide(s, by("lee", "c", order.ApproveCorrection{CorrectionID: s.Corrections[0].ID}))
	var refused *order.Rejection
	if !errors.As(err, &refused) || refused.Code != "correction_impossible" {
		t.Errorf("%v, want a refusal", err)
	}
}

// TestCorrection_OfALostDispute: a dispute that has its outcome holds nothing (invariant I17), after corrections as well.
func TestCorrection_OfALostDispute(t *testing.T) {
	t.Parallel()
	s := paid(t, registered(t, "100.00", ""), "100.00")
	s = after(t, s, by("kim", "a", order.RecordDispute{Stage: order.StageChargeback, Amount: ptr(eur("60.00"))}))
	id := s.Disputes[0].ID
	s = after(t, s, by("kim", "b", order.SettleDispute{DisputeID: id, Outcome: order.OutcomeLost}))
	change := func(b order.Balance, direction order.Direction, amount string) order.Adjustment {
		return order.Adjustment{Balance: b, Direction: direction, Amount: eur(amount), DisputeID: id}
	}
	for name, c := range map[string]struct {
		adjustments []order.Adjustment
		lost        string // empty is refused
	}{
		"LostAlone":  {[]order.Adjustment{change(order.BalanceDisputeLost, order.Decrease, "20.00")}, ""},
		"HeldAlone":  {[]order.Adjustment{change(order.BalanceDisputeHeld, order.Increase, "20.00")}, ""},
		"Both":       {[]order.Adjustment{change(order.BalanceDisputeLost, order.Decrease, "20.00"), change(order.BalanceDisputeHeld, order.Decrease, "20.00")}, "40.00"},
		"OtherOrder": {[]order.Adjustment{change(order.BalanceDisputeHeld, order.Decrease, "20.00"), change(order.BalanceDisputeLost, order.Decrease, "20.00")}, "40.00"},
		"More":       {[]order.Adjustment{change(order.BalanceDisputeHeld, order.Increase, "5.00"), change(order.BalanceDisputeLost, order.Increase, "5.00")}, "65.00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := s.Clone()
			decided, err := order.Decide(own, by("kim", "c", order.ProposeCorrection{Reason: "the scheme gave it back", Adjustments: c.adjustments}))
			if c.lost == "" {
				var refused *order.Rejection
				if !errors.As(err, &refused) || refused.Code != "correction_impossible" || len(decided) > 0 {
					t.Fatalf("%v, want a refusal", err)
				}
				return
			}
			own = after(t, own, by("kim", "c", order.ProposeCorrection{Reason: "the scheme gave it back", Adjustments: c.adjustments}))
			own = after(t, own, by("lee", "d", order.ApproveCorrection{CorrectionID: own.Corrections[0].ID}))
			b := own.Balances()
			if !b.DisputeHeld.IsZero() || !b.DisputeLost.Equal(eur(c.lost)) || own.DisputeState() != order.DisputeLost {
				t.Errorf("held %s, lost %s, %s", b.DisputeHeld, b.DisputeLost, own.DisputeState())
			}
		})
	}
}
