package order

import "time"

// AnswerPatience is how long a call to a gateway may be without an answer before another one about the
// same order is allowed: whoever made it has died.
const AnswerPatience = 15 * time.Minute

// askOnce begins a call to the gateway, unless another one of the order is under way.
func (d *decider) askOnce(at At, c *Instruct, e GatewayActionInitiated) error {
	for i := range d.s.GatewayActions {
		if a := &d.s.GatewayActions[i]; a.Outcome == "" && at.OccurredAt.Sub(a.InitiatedAt) < AnswerPatience {
			return refuse("action_under_way", "the gateway is being asked to %s; wait for its answer", a.Action)
		}
	}
	d.askGateway(at, c, e)
	return nil
}

func (d *decider) askGateway(at At, c *Instruct, e GatewayActionInitiated) {
	e.CommandID, e.Action = c.Evidence.CommandID, c.Action.ActionName()
	d.emit(at, e)
}

// held finds the payment with a hold; id may be empty when there is one only.
func (d *decider) held(id string) (*Payment, error) {
	var found *Payment
	for i := range d.s.Payments {
		p := &d.s.Payments[i]
		if id != "" && p.ID != id || id == "" && !p.OpenHold().IsPositive() {
			continue
		}
		if found != nil {
			return nil, refuse("payment_required", "several payments of the order are held: say which one")
		}
		found = p
	}
	switch {
	case found == nil && id != "":
		return nil, refuse("payment_unknown", "the order has no such payment")
	case found == nil, !found.OpenHold().IsPositive():
		return nil, refuse("nothing_held", "no money is held")
	}
	return found, nil
}

func (d *decider) capturePayment(at At, c *Instruct, a CapturePayment) error {
	p, err := d.held(a.PaymentID)
	if err != nil {
		return err
	}
	amount := p.OpenHold()
	if a.Amount != nil {
		if err := d.payable(*a.Amount); err != nil {
			return err
		}
		if less(amount, *a.Amount) {
			return refuse("capture_exceeds_hold", "%s is held, less than %s", amount, *a.Amount)
		}
		amount = *a.Amount
	}
	return d.askOnce(at, c, GatewayActionInitiated{PaymentID: p.ID, Amount: &amount})
}

func (d *decider) voidPayment(at At, c *Instruct, a VoidPayment) error {
	p, err := d.held(a.PaymentID)
	if err != nil {
		return err
	}
	return d.askOnce(at, c, GatewayActionInitiated{PaymentID: p.ID})
}

// withdrawPayment is for what the customer has not begun: CREATED and SEEN.
func (d *decider) withdrawPayment(at At, c *Instruct) error {
	if d.s.closed() {
		return refuse("order_closed", "the order is %s", d.s.Lifecycle)
	}
	var withdrawn *Payment
	for i := range d.s.Payments {
		switch p := &d.s.Payments[i]; p.Status {
		case PaymentInitiatedStatus, PaymentViewedStatus:
			withdrawn = p
		case PaymentProcessingStatus, PaymentPendingStatus, PaymentConfirmedStatus, PaymentUnknownStatus, PaymentAuthorizedStatus,
			PaymentCapturedStatus, PaymentSettledStatus:
			return refuse("payment_begun", "payment %s is %s; only what the customer has not begun can be withdrawn", p.ID, p.Status)
		case PaymentFailedStatus, PaymentAbandonedStatus, PaymentExpiredStatus, PaymentWithdrawnStatus, PaymentReleasedStatus,
			PaymentReversedStatus: // over
		}
	}
	if withdrawn == nil {
		return refuse("nothing_to_withdraw", "no payment of the order is open")
	}
	return d.askOnce(at, c, GatewayActionInitiated{PaymentID: withdrawn.ID})
}
