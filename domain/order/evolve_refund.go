package order

import (
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/money"
)

func (s *State) refund(id string) *Refund {
	if id == "" {
		return nil
	}
	for i := range s.Refunds {
		if s.Refunds[i].ID == id {
			return &s.Refunds[i]
		}
	}
	return nil
}

func (s *State) theRefund(id string) *Refund {
	if f := s.refund(id); f != nil {
		return f
	}
	s.Refunds = append(s.Refunds, Refund{ID: id, Status: RefundInitiatedStatus})
	return &s.Refunds[len(s.Refunds)-1]
}

// openRefund is the refund of a payment that is under way; nil for none.
func (s *State) openRefund(paymentID string) *Refund {
	for i := len(s.Refunds) - 1; i >= 0; i-- {
		if f := &s.Refunds[i]; f.PaymentID == paymentID && f.Open {
			return f
		}
	}
	return nil
}

// asked tells whether a refund was asked for by a command of ours, through the gateway.
func (s *State) asked(r *Refund) bool {
	for i := range s.GatewayActions {
		if s.GatewayActions[i].RefundID == r.ID {
			return true
		}
	}
	return false
}

// applyRefund folds the events about refunds; false when r is another's.
func (s *State) applyRefund(r *Recorded) bool {
	var f *Refund
	switch e := r.Event.(type) {
	case RefundInitiated:
		f = s.applyRefundInitiated(e, r)
	case RefundCompleted:
		f = s.applyRefundCompleted(e, r)
	case RefundFailed:
		f = s.theRefund(e.RefundID)
		f.PaymentID = either(f.PaymentID, e.PaymentID)
		f.ReasonCode = e.ReasonCode
		s.endRefund(f, RefundFailedStatus, r)
	case RefundObserved:
		f = s.theRefund(e.RefundID)
		f.PaymentID = either(f.PaymentID, e.PaymentID)
		s.endRefund(f, RefundCompletedStatus, r)
	case RefundReversed:
		f = s.theRefund(e.RefundID)
		f.PaymentID = either(f.PaymentID, e.PaymentID)
		f.Reversed = add(f.Reversed, e.Amount)
		if !less(f.Reversed, f.Completed) {
			f.Status = RefundReversedStatus
		}
		if p := s.payment(f.PaymentID); p != nil {
			p.refundBackCounter = add(p.refundBackCounter, e.Amount)
			p.refundCounted.note(&r.Metadata)
			p.refundEnded.note(&r.Metadata)
		}
	default:
		return false
	}
	f.LastRecordedAt, f.LastEvent = r.Metadata.RecordedAt, r.ref()
	return true
}

func (s *State) applyRefundInitiated(e RefundInitiated, r *Recorded) *Refund {
	f := s.theRefund(e.RefundID)
	f.PaymentID = either(f.PaymentID, e.PaymentID)
	f.SourceID = either(f.SourceID, e.SourceRefundID)
	f.ByHand, f.External = f.ByHand || e.ByHand, f.External || e.External
	if e.Amount != nil {
		f.Amount, f.AmountKnown = *e.Amount, true
	}
	if !f.Announced {
		f.Announced, f.InitiatedAt, f.begunUnknown = true, r.Metadata.OccurredAt, !r.Metadata.ToldAt.IsZero()
		f.Open = f.ResolvedAt.IsZero() && f.AwaitsComplete == nil
	}
	return f
}

func (s *State) applyRefundCompleted(e RefundCompleted, r *Recorded) *Refund {
	f := s.theRefund(e.RefundID)
	f.PaymentID = either(f.PaymentID, e.PaymentID)
	f.Completed = add(f.Completed, e.Amount)
	f.completions++
	f.AwaitsComplete = nil
	if !f.AmountKnown || f.completions > 1 || !f.Amount.Equal(e.Amount) {
		f.Amount, f.AmountKnown = f.Completed, true
	}
	f.GivenByHand = f.GivenByHand || e.ByHand
	s.endRefund(f, RefundCompletedStatus, r)
	switch p := s.payment(f.PaymentID); {
	case p == nil:
	case e.ByHand:
		p.refundedByHand = add(p.refundedByHand, e.Amount)
	default:
		p.refundCounter = add(p.refundCounter, e.Amount)
		p.refundCounted.note(&r.Metadata)
		p.refundAssumed = uuid.Nil
		if e.Assumed {
			p.refundAssumed = r.ID
		}
	}
	return f
}

// endRefund closes a refund; a completion outlasts a failure.
func (s *State) endRefund(f *Refund, to RefundStatus, r *Recorded) {
	f.Open = false
	f.ResolvedAt = latest(f.ResolvedAt, r.Metadata.OccurredAt)
	if to == RefundCompletedStatus || f.Status == RefundInitiatedStatus {
		f.Status = to
	}
	if p := s.payment(f.PaymentID); p != nil && !f.GivenByHand {
		p.refundEnded.note(&r.Metadata)
		p.refundClosed.note(&r.Metadata)
	}
}

// left is what a refund or dispute without an amount can be of at most.
func (p *Payment) left() money.Money {
	return sub(sub(sub(p.Captured, p.Reversed), sub(p.refundCounter, p.refundBackCounter)), p.refundedByHand)
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
