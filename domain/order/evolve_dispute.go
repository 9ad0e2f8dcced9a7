package order

import (
	"slices"

	"github.com/order-ledger/order-ledger/domain/money"
)

func (s *State) dispute(id string) *Dispute {
	if id == "" {
		return nil
	}
	for i := range s.Disputes {
		if s.Disputes[i].ID == id {
			return &s.Disputes[i]
		}
	}
	return nil
}

func (s *State) theDispute(id string, track Track, paymentID string) *Dispute {
	if d := s.dispute(id); d != nil {
		return d
	}
	n := 1
	for i := range s.Disputes {
		if d := &s.Disputes[i]; d.Track == track && d.PaymentID == paymentID {
			n++
		}
	}
	s.Disputes = append(s.Disputes, Dispute{ID: id, Track: track, N: n, PaymentID: paymentID})
	return &s.Disputes[len(s.Disputes)-1]
}

// stageRank orders the stages of one track; the furthest shows.
func stageRank(st Stage) int {
	return slices.Index([]Stage{
		StageFraudAdvice, StageGoodFaith, StagePreCompliance, StageCompliance,
		StageRetrieval, StageChargeback, StageRepresentment, StagePreArbitration, StageArbitration,
	}, st)
}

// applyDispute folds the events about disputes; false when r is another's.
func (s *State) applyDispute(r *Recorded) bool {
	switch e := r.Event.(type) {
	case DisputeStageEntered:
		d := s.theDispute(e.DisputeID, e.Track, e.PaymentID)
		if d.Stage == "" || stageRank(e.Stage) > stageRank(d.Stage) {
			d.Stage = e.Stage
		}
		d.ReasonCode = either(e.ReasonCode, d.ReasonCode)
		d.ARN, d.CaseNo = either(e.ARN, d.ARN), either(e.CaseNo, d.CaseNo)
		if e.RespondBy != nil {
			d.RespondBy = e.RespondBy
		}
		var amount money.Money
		if e.DisputedAmount != nil {
			amount = *e.DisputedAmount
			d.Amount, d.AmountKnown = amount, true
		}
		d.step(string(e.Stage), amount, money.Money{}, r)
	case DisputeFundsWithdrawn:
		d := s.theDispute(e.DisputeID, e.Track, e.PaymentID)
		d.Withdrawn = add(d.Withdrawn, e.Amount)
		d.Movements = max(d.Movements, e.MovementNo)
		if !d.AmountKnown || less(d.Amount, d.Withdrawn) {
			d.Amount, d.AmountKnown = d.Withdrawn, true
		}
		d.step(fundsWithdrawn, e.Amount, e.Amount.Neg(), r)
		if p := s.payment(d.PaymentID); p != nil {
			p.withdrawnCounter = add(p.withdrawnCounter, e.Amount)
			p.disputeCounted.note(&r.Metadata)
			if e.Assumed {
				p.withdrawnAssumed = r.ID
			}
		}
	case DisputeFundsReinstated:
		d := s.theDispute(e.DisputeID, e.Track, e.PaymentID)
		d.Returned = add(d.Returned, e.Amount)
		d.Movements = max(d.Movements, e.MovementNo)
		d.step(fundsReinstated, e.Amount, e.Amount, r)
		if p := s.payment(d.PaymentID); p != nil {
			p.returnedCounter = add(p.returnedCounter, e.Amount)
			p.disputeCounted.note(&r.Metadata)
		}
	case DisputeResolved:
		d := s.dispute(e.DisputeID)
		if d == nil {
			s.fail("outcome of a dispute that was never opened")
			return true
		}
		d.Resolved, d.Outcome, d.ResolvedAt = true, e.Outcome, r.Metadata.OccurredAt
		var lost money.Money
		if e.AmountLost != nil {
			lost = *e.AmountLost
			d.Lost = add(d.Lost, lost)
		}
		d.step("resolved_"+string(e.Outcome), lost, money.Money{}, r)
	case DisputeProvisioned:
		d := s.dispute(e.DisputeID)
		if d == nil {
			s.fail("provision for a dispute that was never opened")
			return true
		}
		d.Provision = e.Amount
	default:
		return false
	}
	return true
}

// Steps of a dispute that moved money, or corrected what is known of it.
const (
	fundsWithdrawn  = "funds_withdrawn"
	fundsReinstated = "funds_reinstated"
	corrected       = "corrected"
)

// amountTold tells whether a stage told the disputed amount; else it follows from what was withdrawn.
func (d *Dispute) amountTold() bool {
	return slices.ContainsFunc(d.Steps, func(step DisputeStep) bool {
		return stageRank(Stage(step.Stage)) >= 0 && !step.Amount.Currency().IsZero()
	})
}

// movements are the steps that moved money, with the amounts that are known by now: a correction
// changes what was withdrawn before it, the newest first.
func (d *Dispute) movements() []DisputeStep {
	var all []DisputeStep
	for i := range d.Steps {
		step := d.Steps[i]
		switch step.Stage {
		case fundsWithdrawn, fundsReinstated:
			all = append(all, step)
		case corrected:
			left := step.Moved // what was not taken after all; negative is what was taken besides
			for j := len(all) - 1; j >= 0 && !left.IsZero(); j-- {
				if all[j].Stage == fundsWithdrawn {
					change := lesser(left, all[j].Amount)
					all[j].Amount, left = sub(all[j].Amount, change), sub(left, change)
				}
			}
			if left.IsNegative() { // nothing was withdrawn before
				step.Stage, step.Amount = fundsWithdrawn, left.Neg()
				all = append(all, step)
			}
		}
	}
	return all
}

func (d *Dispute) step(stage string, amount, moved money.Money, r *Recorded) {
	d.LastEvent = r.ref()
	d.Steps = append(d.Steps, DisputeStep{
		Seq: len(d.Steps) + 1, Stage: stage, Amount: amount, Moved: moved,
		OccurredAt: r.Metadata.OccurredAt, RecordedAt: r.Metadata.RecordedAt, Event: d.LastEvent,
	})
}

// applyPayout folds the events of payout orders; false when r is another's.
func (s *State) applyPayout(r *Recorded) bool {
	o := &s.Payout
	switch e := r.Event.(type) {
	case PayoutRequested:
		o.ID = e.PayoutID
		if e.Amount != nil {
			o.Amount, o.Known = *e.Amount, true
		}
		o.progress(PayoutStateRequested)
	case PayoutProcessing:
		o.progress(PayoutStateProcessing)
	case PayoutCompleted:
		o.PaidOut, o.completed, o.completedAt = add(o.PaidOut, e.Amount), true, latest(o.completedAt, r.Metadata.OccurredAt)
		if !o.Known {
			o.Amount, o.Known = e.Amount, true
		}
		o.progress(PayoutStatePaid)
	case PayoutFailed:
		o.progress(PayoutStateFailed)
	case PayoutCancelled:
		o.progress(PayoutStateCancelled)
	case PayoutReversed:
		o.PaidOut, o.reversed = sub(o.PaidOut, e.Amount), true
		o.progress(PayoutStateReversed)
	default:
		return false
	}
	return true
}

func (o *Payout) progress(to PayoutStatus) {
	order := []PayoutStatus{
		"", PayoutStateRequested, PayoutStateProcessing, PayoutStateFailed, PayoutStateCancelled,
		PayoutStatePaid, PayoutStateReversed,
	}
	if slices.Index(order, to) > slices.Index(order, o.Status) {
		o.Status = to
	}
}
