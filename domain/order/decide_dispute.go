package order

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/money"
)

// disputeFact decides facts about disputes. Stages move no money; money moves
// by counters, or by assumption where no counter is usable (domain 2.3, A30).
func (d *decider) disputeFact(f Fact) bool {
	switch f := f.(type) {
	case DisputeStage:
		d.disputeStage(f.At, f)
	case DisputeTotals:
		d.disputeTotals(f)
	default:
		return false
	}
	return true
}

func (d *decider) disputeStage(at At, f DisputeStage) {
	p := d.introduce(at, f.Payment, nil, "")
	track := f.Stage.Track()
	e := DisputeStageEntered{
		Stage: f.Stage, Track: track, SourceDisputeID: f.SourceDisputeID, PaymentID: p.ID, DisputedAmount: f.Amount,
		ReasonCode: f.ReasonCode, ARN: f.ARN, CaseNo: f.CaseNo, RespondBy: f.RespondBy, InitiatedBy: f.InitiatedBy,
	}
	if d.s.Seen(EventID(d.orderID, at.Key, e.EventType())) {
		return
	}
	e.DisputeID = d.disputeID(p, track, at.OccurredAt, f.SourceDisputeID)
	if f.Stage == StageFraudAdvice {
		d.emit(at, e, FlagFraudAdvice)
		return
	}
	d.emit(at, e)
}

// disputeID finds the dispute of a track that a fact of this time belongs to.
// A track that goes on after an outcome is a new dispute.
func (d *decider) disputeID(p *Payment, track Track, at time.Time, sourceID string) string {
	if sourceID != "" {
		return DeriveID(d.orderID, "dispute", sourceID)
	}
	n := 1
	for i := range d.s.Disputes {
		dispute := &d.s.Disputes[i]
		if dispute.Track != track || dispute.PaymentID != p.ID {
			continue
		}
		if !dispute.Resolved || !d.believed(at).After(dispute.ResolvedAt) {
			return dispute.ID
		}
		n++
	}
	return DeriveID(d.orderID, "dispute", fmt.Sprintf("dsp:%s:%s:%s:%d", d.s.Source, p.SourceID, track, n))
}

// disputeTotals turns the counters of money taken and given back into
// movements of their growth.
func (d *decider) disputeTotals(f DisputeTotals) {
	p := d.introduce(f.At, f.Payment, nil, "")
	id := p.ID
	at := f.At.on(f.ModifiedAt)
	var newest *At
	for i := range f.Chargebacks {
		newest = &f.Chargebacks[i]
	}
	usable := f.Withdrawn != nil && f.Withdrawn.IsPositive()
	switch {
	case usable:
		if newest != nil {
			at.OccurredAt, at.Basis, at.Status = newest.OccurredAt, newest.Basis, newest.Status
		}
		d.withdrawTo(at, id, *f.Withdrawn, f)
	case newest != nil:
		d.assumeWithdrawal(*newest, id)
	case f.Withdrawn != nil && p.withdrawnCounter.IsPositive() && p.withdrawnAssumed == uuid.Nil &&
		d.after(f.ModifiedAt, p.disputeCounted):
		d.regressed(f.At, "chargebacks", *f.Withdrawn)
	}
	d.returnTo(f.At.on(f.ModifiedAt), id, f)
}

func (d *decider) withdrawTo(at At, paymentID string, target money.Money, f DisputeTotals) {
	p := d.s.payment(paymentID)
	delta := sub(target, p.withdrawnCounter)
	switch {
	case delta.IsPositive():
		dispute, track := d.moneyDispute(p, at.OccurredAt)
		d.emit(at.with(":chargebacks:"+target.String()), DisputeFundsWithdrawn{
			DisputeID: dispute, Track: track, PaymentID: paymentID, MovementNo: d.nextMovement(dispute), Amount: delta,
		})
	case delta.IsNegative() && p.withdrawnAssumed != uuid.Nil:
		dispute, assumed := d.s.assumption(p.withdrawnAssumed)
		// An outcome that was decided on the assumption, or a counter below what was told before it: somebody has to look.
		if dispute == nil || dispute.Resolved || less(assumed, delta.Neg()) {
			d.regressed(f.At, "chargebacks", target)
			return
		}
		a := adjustment(BalanceDisputeHeld, p.withdrawnCounter, target, paymentID)
		a.DisputeID = dispute.ID
		d.correct("dispute:"+a.DisputeID, LedgerCorrectionRecorded{
			CountedAt: at.counted(), CorrectsEventID: p.withdrawnAssumed.String(), Reason: "the disputed amount was learnt", Adjustments: []Adjustment{a},
		})
	case delta.IsNegative() && d.after(f.ModifiedAt, p.disputeCounted):
		d.regressed(f.At, "chargebacks", target)
	}
}

// assumption finds the dispute whose withdrawal an event assumed, and the amount that it assumed; nil for none.
func (s *State) assumption(event uuid.UUID) (*Dispute, money.Money) {
	for i := range s.Disputes {
		for _, step := range s.Disputes[i].Steps {
			if step.Event.ID == event {
				return &s.Disputes[i], step.Amount
			}
		}
	}
	return nil, money.Money{}
}

// assumeWithdrawal books a chargeback whose amount nothing tells: all that is
// left of the payment (domain rule A30).
func (d *decider) assumeWithdrawal(at At, paymentID string) {
	p := d.s.payment(paymentID)
	left := floorZero(sub(p.left(), sub(p.withdrawnCounter, p.returnedCounter)))
	if !left.IsPositive() || !p.withdrawnCounter.IsZero() && !d.after(at.OccurredAt, p.disputeCounted) {
		return
	}
	dispute, track := d.moneyDispute(p, at.OccurredAt)
	d.emit(at.with(":withdrawn"), DisputeFundsWithdrawn{
		DisputeID: dispute, Track: track, PaymentID: paymentID, MovementNo: d.nextMovement(dispute),
		Amount: left, Assumed: true,
	}, FlagAmountAssumed)
}

func (d *decider) returnTo(at At, paymentID string, f DisputeTotals) {
	p := d.s.payment(paymentID)
	returned := false
	if f.Returned != nil {
		delta := sub(*f.Returned, p.returnedCounter)
		switch {
		case delta.IsPositive():
			returned = true
			dispute, track := d.moneyDispute(p, at.OccurredAt)
			d.emit(at.with(":chargebacks_reversed:"+f.Returned.String()), DisputeFundsReinstated{
				DisputeID: dispute, Track: track, PaymentID: paymentID, MovementNo: d.nextMovement(dispute), Amount: delta,
			})
		case delta.IsNegative() && d.after(f.ModifiedAt, p.disputeCounted):
			d.regressed(f.At, "chargebacks_reversed", *f.Returned)
		}
	}
	if returned || f.PaidAgain {
		d.emit(f.At.with(":outcome_suggested"), AnomalyFlagged{Code: FlagDisputeOutcomeSuggested,
			Detail: "the gateway's figures suggest an outcome; an operator confirms it"})
	}
}

// moneyDispute picks the dispute that moved money belongs to: the chargeback
// in course, else compliance, else good faith, else a chargeback not reported.
func (d *decider) moneyDispute(p *Payment, at time.Time) (string, Track) {
	best := -1
	rank := func(s Stage) int {
		switch s {
		case StageChargeback, StageRepresentment, StagePreArbitration, StageArbitration:
			return 4
		case StageCompliance, StagePreCompliance:
			return 3
		case StageGoodFaith:
			return 2
		case StageRetrieval, "":
			return 1
		case StageFraudAdvice:
		}
		return 0
	}
	for i := range d.s.Disputes {
		c := &d.s.Disputes[i]
		if c.PaymentID != p.ID || c.Resolved || rank(c.Stage) == 0 {
			continue
		}
		if best < 0 || rank(c.Stage) > rank(d.s.Disputes[best].Stage) {
			best = i
		}
	}
	if best >= 0 {
		return d.s.Disputes[best].ID, d.s.Disputes[best].Track
	}
	return d.disputeID(p, TrackChargeback, at, ""), TrackChargeback
}

func (d *decider) nextMovement(disputeID string) int {
	if c := d.s.dispute(disputeID); c != nil {
		return c.Movements + 1
	}
	return 1
}

// decideResolveDispute ends a dispute. It first moves what is held to what is
// lost, so that nothing stays held (invariant I17).
func decideResolveDispute(state State, c ResolveDispute) ([]Decided, error) {
	d := &decider{s: state.scratch(), orderID: state.ID, receivedAt: c.OccurredAt}
	at := At{Key: "cmd:" + c.Key, OccurredAt: c.OccurredAt, Basis: BasisOperator}
	if d.s.Seen(EventID(d.orderID, at.Key, DisputeResolved{}.EventType())) {
		return nil, nil
	}
	dispute := d.s.dispute(c.DisputeID)
	if dispute == nil {
		return nil, &Rejection{Code: "dispute_unknown", Reason: "the order has no such dispute"}
	}
	if dispute.Resolved {
		return nil, &Rejection{Code: "dispute_resolved", Reason: "the dispute has its outcome already: " + string(dispute.Outcome)}
	}
	lost, err := d.lostAmount(dispute, c)
	if err != nil {
		return nil, err
	}
	track, payment := dispute.Track, dispute.PaymentID
	if diff := sub(lost, dispute.Held()); diff.IsPositive() {
		d.emit(at.with(":withdrawn"), DisputeFundsWithdrawn{
			DisputeID: c.DisputeID, Track: track, PaymentID: payment, MovementNo: d.nextMovement(c.DisputeID), Amount: diff,
		})
	} else if diff.IsNegative() {
		d.emit(at.with(":reinstated"), DisputeFundsReinstated{
			DisputeID: c.DisputeID, Track: track, PaymentID: payment, MovementNo: d.nextMovement(c.DisputeID), Amount: diff.Neg(),
		})
	}
	e := DisputeResolved{DisputeID: c.DisputeID, Outcome: c.Outcome}
	if lost.IsPositive() {
		e.AmountLost = &lost
	}
	d.emit(at, e)
	return d.done()
}

// lostAmount is what an outcome takes for good: at most what is disputed, or what was captured when nobody knows that.
func (d *decider) lostAmount(dispute *Dispute, c ResolveDispute) (money.Money, error) {
	zero := money.Zero(d.s.Currency)
	if c.Lost != nil {
		most := dispute.Amount
		if p := d.s.payment(dispute.PaymentID); !dispute.AmountKnown && p != nil {
			most = floorZero(sub(p.Captured, p.Reversed))
		}
		if less(most, dispute.Held()) {
			most = dispute.Held()
		}
		switch {
		case c.Lost.Currency() != d.s.Currency:
			return zero, &Rejection{Code: "currency_mismatch", Reason: "the lost amount is not in the order's currency"}
		case c.Lost.IsNegative():
			return zero, &Rejection{Code: "negative_amount", Reason: "the lost amount is negative"}
		case less(most, *c.Lost):
			return zero, &Rejection{Code: "lost_exceeds_disputed", Reason: fmt.Sprintf("%s is disputed, less than %s", most, c.Lost)}
		}
	}
	switch c.Outcome {
	case OutcomeWon, OutcomeWithdrawn:
		if c.Lost != nil && c.Lost.IsPositive() {
			return zero, &Rejection{Code: "outcome_contradicts", Reason: "nothing is lost by a dispute that was won"}
		}
		return zero, nil
	case OutcomeLost, OutcomeAccepted, OutcomeExpired:
		if c.Lost != nil {
			return *c.Lost, nil
		}
		return dispute.Amount, nil
	case OutcomeSplit:
		if c.Lost != nil {
			return *c.Lost, nil
		}
		return zero, &Rejection{Code: "amount_required", Reason: "a split outcome needs the amount that was lost"}
	}
	return zero, &Rejection{Code: "outcome_unknown", Reason: fmt.Sprintf("%q is no outcome of a dispute", c.Outcome)}
}
