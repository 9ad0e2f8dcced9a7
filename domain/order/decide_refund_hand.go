package order

import "time"

// completeRefund records that a refund made by hand has reached the customer.
func (d *decider) completeRefund(at At, c *Instruct, a CompleteRefund) error {
	r, err := d.openRefundNamed(a.RefundID)
	if err == nil {
		at, err = at.toldOf(a.OccurredAt, c.At)
	}
	if err != nil {
		return err
	}
	if !r.ByHand {
		return refuse("refund_at_gateway", "the gateway makes the refund, and tells what became of it")
	}
	d.emit(at, RefundCompleted{RefundID: r.ID, PaymentID: r.PaymentID, Amount: r.Amount, ByHand: true, Reference: a.Reference})
	return nil
}

// failRefund records that a refund is not made: one by hand, or one that the gateway may never have been
// asked for. When the gateway tells of it after all, it counts.
func (d *decider) failRefund(at At, c *Instruct, a FailRefund) error {
	r, err := d.openRefundNamed(a.RefundID)
	if err == nil {
		at, err = at.toldOf(a.OccurredAt, c.At)
	}
	if err != nil {
		return err
	}
	if !r.ByHand && !d.s.answerLost(&r, c.At) {
		return refuse("refund_at_gateway", "the gateway makes the refund, and tells what became of it")
	}
	d.emit(at, RefundFailed{RefundID: r.ID, PaymentID: r.PaymentID, ReasonCode: a.ReasonCode, Phase: "processing"})
	return nil
}

// openRefundNamed finds a refund whose outcome somebody may tell.
func (d *decider) openRefundNamed(id string) (Refund, error) {
	r := d.s.refund(id)
	switch {
	case r == nil:
		return Refund{}, refuse("refund_unknown", "the order has no such refund")
	case !r.Open || !r.AmountKnown:
		return Refund{}, refuse("refund_decided", "the refund is %s already", r.Status)
	}
	return *r, nil
}

// answerLost tells whether nobody knows if the gateway was asked for a refund.
func (s *State) answerLost(r *Refund, now time.Time) bool {
	if r.SourceID != "" {
		return false
	}
	for i := range s.GatewayActions {
		if a := &s.GatewayActions[i]; a.RefundID == r.ID {
			return a.Outcome == GatewayUnknown || a.Outcome == "" && now.Sub(a.InitiatedAt) >= AnswerPatience
		}
	}
	return false
}

// toldOf moves a fact that an operator tells to when it happened; zero is now.
func (at At) toldOf(occurred, now time.Time) (At, error) {
	if occurred.After(now) {
		return at, refuse("occurred_in_future", "%s has not come yet", occurred.UTC().Format(time.RFC3339))
	}
	if !occurred.IsZero() {
		at.OccurredAt = occurred.UTC()
	}
	return at, nil
}
