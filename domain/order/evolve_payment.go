package order

import "slices"

// payment finds a payment by our id; nil when there is none.
func (s *State) payment(id string) *Payment {
	if id == "" {
		return nil
	}
	for i := range s.Payments {
		if s.Payments[i].ID == id {
			return &s.Payments[i]
		}
	}
	return nil
}

// thePayment finds the payment that an event is about or makes an empty one, so that the fold
// does not depend on which of its events comes first.
func (s *State) thePayment(id string, r *Recorded) *Payment {
	p := s.payment(id)
	if p == nil {
		s.Payments = append(slices.Grow(s.Payments, 1), Payment{ID: id, Status: PaymentInitiatedStatus})
		p = &s.Payments[len(s.Payments)-1]
	}
	p.LastEvent = r.ref()
	return p
}

// statusRank orders the states of a payment so that the furthest one shows,
// in whatever order its events arrive.
func statusRank(st PaymentStatus) int {
	switch st {
	case PaymentInitiatedStatus:
		return 10
	case PaymentViewedStatus:
		return 20
	case PaymentProcessingStatus:
		return 30
	case PaymentPendingStatus:
		return 40
	case PaymentConfirmedStatus:
		return 50
	case PaymentUnknownStatus:
		return 55
	case PaymentFailedStatus, PaymentAbandonedStatus, PaymentExpiredStatus, PaymentWithdrawnStatus:
		return 60
	case PaymentAuthorizedStatus:
		return 70
	case PaymentReleasedStatus:
		return 75
	case PaymentCapturedStatus:
		return 80
	case PaymentSettledStatus:
		return 90
	case PaymentReversedStatus:
		return 100
	}
	return 0
}

// progress moves a payment's public state forward, never back.
func (s *State) progress(id string, to PaymentStatus, r *Recorded) *Payment {
	p := s.thePayment(id, r)
	if statusRank(to) > statusRank(p.Status) {
		p.Status = to
	}
	p.LastOccurredAt = latest(p.LastOccurredAt, r.Metadata.OccurredAt)
	return p
}

// applyPayment folds the events about one payment; false when r is another's.
func (s *State) applyPayment(r *Recorded) bool {
	switch e := r.Event.(type) {
	case PaymentInitiated:
		s.applyInitiated(e, r)
	case PaymentAmountLearned:
		p := s.progress(e.PaymentID, PaymentInitiatedStatus, r)
		p.Amount, p.AmountKnown = e.Amount, true
		if e.Version != nil {
			p.amountVersion.set(*e.Version, r.Metadata.received())
		}
		if p.Method == "" {
			p.Method = e.Method
		}
	case PaymentProcessingStarted:
		p := s.progress(e.PaymentID, PaymentProcessingStatus, r)
		if e.Attempt > p.Attempts {
			p.Attempts = e.Attempt
			if p.Status == PaymentFailedStatus && !p.Dead { // a further attempt is running
				p.Status, p.ReasonCode = PaymentProcessingStatus, ""
			}
		}
	case PaymentPendingAtProvider:
		s.progress(e.PaymentID, PaymentPendingStatus, r)
	case PaymentAttemptFailed:
		s.applyAttemptFailed(e, r)
	case PaymentAbandoned:
		s.end(e.PaymentID, PaymentAbandonedStatus, e.ReasonCode, r)
	case PaymentExpired:
		s.end(e.PaymentID, PaymentExpiredStatus, e.ReasonCode, r)
	case PaymentWithdrawn:
		s.end(e.PaymentID, PaymentWithdrawnStatus, e.ReasonCode, r)
	case PaymentOutcomeUnknown:
		s.progress(e.PaymentID, PaymentUnknownStatus, r)
	case PaymentConfirmed:
		p := s.progress(e.PaymentID, PaymentConfirmedStatus, r)
		p.Confirmed, p.AwaitsConfirm = e.Amount, nil
	case GatewayStatusObserved:
		if p := s.payment(e.PaymentID); p != nil {
			p.LastOccurredAt, p.LastEvent = latest(p.LastOccurredAt, r.Metadata.OccurredAt), r.ref()
			if e.ConfirmsCapture {
				p.captureImplied = false
			}
		}
	case EnrichmentPending:
		s.applyPending(e, r)
	default:
		return s.applyPaymentMoney(r)
	}
	return true
}

// applyPaymentMoney folds the events that move a payment's money.
func (s *State) applyPaymentMoney(r *Recorded) bool {
	switch e := r.Event.(type) {
	case PaymentAuthorized:
		p := s.progress(e.PaymentID, PaymentAuthorizedStatus, r)
		p.Held = add(p.Held, e.Amount)
		if p.holdEnds = r.Metadata.OccurredAt.Add(HoldLength); e.ExpiresAt != nil {
			p.holdEnds = *e.ExpiresAt
		}
	case AuthorizationReleased:
		p := s.progress(e.PaymentID, PaymentReleasedStatus, r)
		p.Released = add(p.Released, e.Amount)
		p.AwaitsReversal = nil
	case PaymentCaptured:
		s.applyCaptured(e, r)
	case PaymentSettled:
		p := s.progress(e.PaymentID, PaymentSettledStatus, r)
		p.Settled = add(p.Settled, e.Amount)
		if less(p.Captured, p.Settled) { // settled money was captured
			p.Captured = p.Settled
		}
		p.AwaitsSettle, p.captureImplied = nil, false
	case ReversalInitiated:
		s.progress(e.PaymentID, PaymentInitiatedStatus, r).reversing = true
	case ReversalFailed:
		s.progress(e.PaymentID, PaymentInitiatedStatus, r).reversing = false
	case PaymentReversed:
		p := s.thePayment(e.PaymentID, r)
		p.Reversed, p.reversing = add(p.Reversed, e.Amount), false
		if !less(p.Reversed, p.Captured) {
			s.progress(e.PaymentID, PaymentReversedStatus, r)
		}
		p.AwaitsReversal = nil
		p.takenBack.note(&r.Metadata)
		p.LastOccurredAt = latest(p.LastOccurredAt, r.Metadata.OccurredAt)
	default:
		return false
	}
	return true
}

func (s *State) applyInitiated(e PaymentInitiated, r *Recorded) {
	p := s.progress(e.PaymentID, PaymentInitiatedStatus, r)
	p.SourceID, p.SourceOrderID = e.SourcePaymentID, e.SourceOrderID
	p.HoldEnded = p.HoldEnded || slices.Contains(s.holdsEnded, "") || slices.Contains(s.holdsEnded, e.SourceOrderID)
	if e.Method != "" {
		p.Method = e.Method
	}
	if e.Amount != nil {
		p.Amount, p.AmountKnown = *e.Amount, true
	}
	if e.Version != nil {
		p.amountVersion.set(*e.Version, r.Metadata.received())
	}
}

func (s *State) applyCaptured(e PaymentCaptured, r *Recorded) {
	p := s.progress(e.PaymentID, PaymentCapturedStatus, r)
	p.Captured = add(p.Captured, e.Amount)
	p.AwaitsCapture = nil
	p.captureEvent, p.capturedAt = r.ID, r.Metadata.OccurredAt
	p.captureImplied = e.Implied
	p.captureRevisable = e.AmountOfPayment || e.Assumed
	if p.Method == "" {
		p.Method = e.Method
	}
}

func (s *State) applyAttemptFailed(e PaymentAttemptFailed, r *Recorded) {
	p := s.thePayment(e.PaymentID, r)
	p.LastOccurredAt = latest(p.LastOccurredAt, r.Metadata.OccurredAt)
	if e.Attempt == 0 { // the source knows no further attempt at this payment
		p.Dead = true
	} else if e.Attempt < p.Attempts {
		return // a later attempt is under way
	}
	p.Attempts = max(p.Attempts, e.Attempt)
	if statusRank(p.Status) <= statusRank(PaymentFailedStatus) {
		p.Status, p.ReasonCode = PaymentFailedStatus, e.ReasonCode
	}
}

// end folds a definite end without money; money may still arrive later.
func (s *State) end(id string, to PaymentStatus, reason string, r *Recorded) {
	p := s.progress(id, to, r)
	p.Dead = true
	if p.Status == to && reason != "" {
		p.ReasonCode = reason
	}
}

func (s *State) applyPending(e EnrichmentPending, r *Recorded) {
	a := &Awaiting{
		Key: e.Key, OccurredAt: r.Metadata.OccurredAt, Basis: r.Metadata.OccurredAtBasis,
		Status: r.Metadata.SourceStatus,
	}
	if e.Amount != nil {
		a.Amount = *e.Amount
	}
	if e.RefundID != "" {
		f := s.theRefund(e.RefundID)
		f.AwaitsComplete = a
		f.Open = false
		f.Status = RefundCompletedStatus
		f.LastRecordedAt, f.LastEvent = r.Metadata.RecordedAt, r.ref()
		return
	}
	p := s.thePayment(e.PaymentID, r)
	p.LastOccurredAt = latest(p.LastOccurredAt, r.Metadata.OccurredAt)
	switch e.Awaited {
	case "PaymentCaptured":
		p.AwaitsCapture = a
	case "PaymentSettled":
		p.AwaitsSettle = a
	case "PaymentConfirmed":
		p.AwaitsConfirm = a
	case "PaymentReversed":
		p.AwaitsReversal = a
	}
}
