package order

import (
	"strconv"

	"github.com/order-ledger/order-ledger/domain/money"
)

// recordDispute records what only people tell of a dispute (domain 1.3). Where the gateway counts disputed
// money too, its counters hold what is withdrawn here.
func (d *decider) recordDispute(at At, c *Instruct, a RecordDispute) error {
	if stageRank(a.Stage) < 0 {
		return refuse("stage_unknown", "%q is no stage of a dispute", a.Stage)
	}
	p, err := d.paymentToRefund(a.PaymentID)
	if err == nil {
		at, err = at.toldOf(a.OccurredAt, c.At)
	}
	if err != nil {
		return err
	}
	track := a.Stage.Track()
	open := d.openDispute(p.ID, track)
	if open != nil && stageRank(a.Stage) <= stageRank(open.Stage) {
		return refuse("dispute_open", "dispute %s is at %s already; a new one of its kind begins when it has an outcome", open.ID, open.Stage)
	}
	amount, err := d.disputedAmount(p, open, a)
	if err != nil {
		return err
	}
	e := DisputeStageEntered{
		Stage: a.Stage, Track: track, PaymentID: p.ID, DisputedAmount: &amount, ReasonCode: a.ReasonCode, ARN: a.ARN, CaseNo: a.CaseNo,
		RespondBy: a.RespondBy, InitiatedBy: "issuer",
	}
	if open != nil {
		e.DisputeID = open.ID
	} else {
		e.DisputeID = d.disputeID(p, track, at.OccurredAt, "")
		if d.s.dispute(e.DisputeID) != nil { // one that has an outcome, later than this happened
			return refuse("dispute_resolved", "the dispute has its outcome already, and this happened before it")
		}
	}
	taken := a.Stage == StageChargeback
	if a.Withdrawn != nil {
		taken = *a.Withdrawn
	}
	var flags []Flag
	if a.Stage == StageFraudAdvice {
		flags = []Flag{FlagFraudAdvice}
	}
	d.emit(at, e, flags...)
	if held := d.s.dispute(e.DisputeID).Held(); taken && less(held, amount) {
		d.emit(at.with(":withdrawn"), DisputeFundsWithdrawn{
			DisputeID: e.DisputeID, Track: track, PaymentID: e.PaymentID, MovementNo: d.nextMovement(e.DisputeID), Amount: sub(amount, held),
		})
	}
	d.lowerProvisions()
	return nil
}

// provisionDispute records what is expected to be lost of a dispute: at most what is disputed.
func (d *decider) provisionDispute(at At, a ProvisionDispute) error {
	dispute := d.s.dispute(a.DisputeID)
	switch {
	case dispute == nil:
		return refuse("dispute_unknown", "the order has no such dispute")
	case dispute.Resolved:
		return refuse("dispute_resolved", "the dispute has its outcome already: %s", dispute.Outcome)
	case a.Amount.IsNegative():
		return refuse("amount_not_positive", "the amount must not be below zero")
	case a.Amount.Currency() != d.s.Currency:
		return refuse("currency_mismatch", "the amount is in %s and the order in %s", a.Amount.Currency(), d.s.Currency)
	case dispute.AmountKnown && less(dispute.Amount, a.Amount):
		return refuse("provision_exceeds_disputed", "%s is disputed, less than %s", dispute.Amount, a.Amount)
	case dispute.Provision.Equal(a.Amount):
		return nil
	}
	d.emit(at, DisputeProvisioned(a))
	return nil
}

// lowerProvisions releases what is provided for more than is disputed by now. It is an event of its own, so that
// what earlier events posted stays as it is.
func (d *decider) lowerProvisions() {
	for i := range d.s.Disputes {
		c := &d.s.Disputes[i]
		if c.Resolved || !c.AmountKnown || !less(c.Amount, c.Provision) {
			continue
		}
		d.emit(At{Key: "provision:" + c.ID + ":" + c.Amount.String() + ":" + strconv.Itoa(d.s.events())},
			DisputeProvisioned{DisputeID: c.ID, Amount: c.Amount})
	}
}

// openDispute is the dispute of a track about a payment that has no outcome; nil for none.
func (d *decider) openDispute(paymentID string, track Track) *Dispute {
	for i := range d.s.Disputes {
		if c := &d.s.Disputes[i]; c.PaymentID == paymentID && c.Track == track && !c.Resolved {
			return c
		}
	}
	return nil
}

// disputedAmount is what is disputed: as told, as the dispute has it, or all that is left of the payment.
func (d *decider) disputedAmount(p *Payment, open *Dispute, a RecordDispute) (amount money.Money, err error) {
	switch {
	case a.Amount != nil:
		if err := d.payable(*a.Amount); err != nil {
			return amount, err
		}
		amount = *a.Amount
	case open != nil && open.AmountKnown:
		amount = open.Amount
	default:
		amount = floorZero(sub(p.left(), sub(p.withdrawnCounter, p.returnedCounter)))
	}
	switch most := sub(p.Captured, p.Reversed); {
	case !amount.IsPositive():
		return amount, refuse("nothing_captured", "nothing is left of the payment that could be disputed")
	case less(most, amount):
		return amount, refuse("dispute_exceeds_captured", "%s of the payment was captured, less than %s", most, amount)
	}
	return amount, nil
}
