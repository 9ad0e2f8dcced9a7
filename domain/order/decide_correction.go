package order

import (
	"slices"
	"strings"
)

// proposeCorrection records what one person wants to be corrected; another one approves it. What could
// not be corrected now is refused at once.
func (d *decider) proposeCorrection(at At, c *Instruct, a ProposeCorrection) error {
	switch {
	case a.Reason == "":
		return refuse("reason_required", "a correction needs a reason")
	case SamePerson(a.Approver, c.person()):
		return refuse("approver_required", "a correction needs the approval of a person other than the one who makes it")
	case len(a.Adjustments) == 0:
		return refuse("adjustments_required", "a correction corrects at least one balance")
	}
	trial := decider{s: d.s.scratch(), orderID: d.orderID, receivedAt: d.receivedAt}
	if err := trial.correctAs(at, LedgerCorrectionRecorded{Adjustments: a.Adjustments}, ""); err != nil {
		return err
	}
	d.emit(at, CorrectionProposed{
		CorrectionID: DeriveID(d.orderID, "correction", at.Key), ProposedBy: c.person(), Approver: a.Approver,
		CorrectsEventID: a.CorrectsEventID, Reason: a.Reason, Adjustments: a.Adjustments,
	})
	return nil
}

// approveCorrection carries a proposed correction out. The proposer is its actor, the one who approves its
// approver.
func (d *decider) approveCorrection(at At, c *Instruct, a ApproveCorrection) error {
	p, err := d.undecided(a.CorrectionID)
	switch {
	case err != nil:
		return err
	case SamePerson(p.ProposedBy, c.person()):
		return refuse("approver_required", "a correction needs the approval of a person other than the one who proposed it")
	case p.Approver != "" && !SamePerson(p.Approver, c.person()):
		return refuse("approver_other", "the approval of another person was asked for: %s", p.Approver)
	}
	return d.correctAs(at, LedgerCorrectionRecorded{
		CorrectionID: p.ID, CorrectsEventID: p.CorrectsEventID, Reason: p.Reason, Approver: c.Actor, Adjustments: p.Adjustments,
	}, p.Proposer)
}

// declineCorrection ends a proposal without a correction; the proposer may do it too.
func (d *decider) declineCorrection(at At, c *Instruct, a DeclineCorrection) error {
	p, err := d.undecided(a.CorrectionID)
	switch {
	case err != nil:
		return err
	case a.Reason == "":
		return refuse("reason_required", "say why the correction is not made")
	}
	d.emit(at, CorrectionDeclined{CorrectionID: p.ID, DeclinedBy: c.person(), Reason: a.Reason})
	return nil
}

// undecided finds a proposal that waits for a second person.
func (d *decider) undecided(id string) (Correction, error) {
	i := slices.IndexFunc(d.s.Corrections, func(p Correction) bool { return p.ID == id })
	if i < 0 {
		return Correction{}, refuse("correction_unknown", "no such correction of the order was proposed")
	}
	if p := d.s.Corrections[i]; p.Status != CorrectionIsProposed {
		return p, refuse("correction_decided", "the correction is %s already", strings.ToLower(string(p.Status)))
	}
	return d.s.Corrections[i], nil
}

// correctAs records a correction in the name of its actor. One that leaves a balance below zero, or more
// given back than came in, is refused.
func (d *decider) correctAs(at At, e LedgerCorrectionRecorded, actor string) error {
	before, s0 := d.s.Balances(), d.s.scratch()
	for i := range e.Adjustments {
		if err := d.payable(e.Adjustments[i].Amount); err != nil {
			return err
		}
		if err := d.s.adjustable(&e.Adjustments[i]); err != nil {
			return err
		}
	}
	if d.emit(at, e) {
		d.out[len(d.out)-1].Actor = actor
	}
	b := d.s.Balances()
	if err := d.s.Err(); err != nil {
		return refuse("correction_impossible", "the order cannot be corrected so: %s", err)
	}
	if b.exposed() && !before.exposed() {
		return refuse("correction_impossible", "more would have gone back than ever came in")
	}
	if id := d.s.heldAfterOutcome(); id != "" && s0.dispute(id).Held().IsZero() {
		return refuse("correction_impossible", "dispute %s has its outcome and holds nothing (I17): what is taken from dispute_lost is taken from "+
			"dispute_held in the same correction, and the other way round", id)
	}
	if name := d.s.negative(); name != "" {
		return refuse("correction_impossible", "%s would fall below zero", name)
	}
	d.lowerProvisions()
	return nil
}

// person is who gives the command, whatever token they use.
func (c *Instruct) person() string { return either(c.Person, c.Actor) }

// SamePerson tells whether two names are those of one person: without regard to case and outer spaces.
func SamePerson(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}

// adjustable refuses an adjustment that names no balance of the order.
func (s *State) adjustable(a *Adjustment) error {
	if a.Direction != Increase && a.Direction != Decrease {
		return refuse("direction_unknown", "an adjustment goes to %s or %s", Increase, Decrease)
	}
	var ok bool
	switch a.Balance {
	case BalanceExternal:
		ok = a.PaymentID == "" && a.RefundID == "" && a.DisputeID == ""
	case BalanceAuthorised, BalanceExpected, BalanceCaptured, BalanceSettled, BalanceReversed:
		ok = s.payment(a.PaymentID) != nil && a.RefundID == "" && a.DisputeID == ""
	case BalanceRefunded:
		ok = s.refund(a.RefundID) != nil && a.DisputeID == ""
	case BalanceDisputeHeld, BalanceDisputeLost:
		ok = s.dispute(a.DisputeID) != nil && a.RefundID == ""
	case BalanceRefundPending:
	}
	if !ok {
		return refuse("adjustment_target", "the order has no balance %q there: captured and its like belong to a payment, refunded to a refund, "+
			"dispute_held and dispute_lost to a dispute, received_externally to the order", a.Balance)
	}
	return nil
}

// heldAfterOutcome is a dispute that has its outcome and holds money; empty for none (invariant I17).
func (s *State) heldAfterOutcome() string {
	for i := range s.Disputes {
		if c := &s.Disputes[i]; c.Resolved && c.Held().IsPositive() {
			return c.ID
		}
	}
	return ""
}

// negative names a balance of a part of the order that is below zero; empty for none.
func (s *State) negative() Balance {
	if s.External.IsNegative() {
		return BalanceExternal
	}
	for i := range s.Payments {
		p := &s.Payments[i]
		switch {
		case p.Held.IsNegative():
			return BalanceAuthorised
		case p.Confirmed.IsNegative():
			return BalanceExpected
		case p.Captured.IsNegative(), less(p.Captured, p.Reversed):
			return BalanceCaptured
		case p.Settled.IsNegative():
			return BalanceSettled
		case p.Reversed.IsNegative():
			return BalanceReversed
		}
	}
	for i := range s.Refunds {
		if less(s.Refunds[i].Completed, s.Refunds[i].Reversed) {
			return BalanceRefunded
		}
	}
	for i := range s.Disputes {
		c := &s.Disputes[i]
		if c.Lost.IsNegative() {
			return BalanceDisputeLost
		}
		if sub(sub(c.Withdrawn, c.Returned), c.Lost).IsNegative() {
			return BalanceDisputeHeld
		}
	}
	return ""
}
