package order

import (
	"github.com/shopspring/decimal"

	"github.com/order-ledger/order-ledger/domain/money"
)

// refundable is what is left of a payment besides disputes, and what disputes have taken of it.
func (s *State) refundable(paymentID string) (left, taken money.Money) {
	left, taken = money.Zero(s.Currency), money.Zero(s.Currency)
	if p := s.payment(paymentID); p != nil {
		left = sub(add(left, p.Captured), p.Reversed)
	}
	for i := range s.Refunds {
		r := &s.Refunds[i]
		if r.PaymentID != paymentID {
			continue
		}
		left = sub(left, sub(r.Completed, r.Reversed))
		if r.Open && r.AmountKnown {
			left = sub(left, r.Amount)
		}
	}
	for i := range s.Disputes {
		if c := &s.Disputes[i]; c.PaymentID == paymentID {
			taken = add(add(taken, c.Held()), c.Lost)
		}
	}
	return left, taken
}

// ExternalPayment stands for the id of a payment where money is meant that was received outside the gateway.
const ExternalPayment = "external"

func (d *decider) refundPayment(at At, c *Instruct, a RefundPayment) error {
	id, err := d.toRefund(a)
	if err != nil {
		return err
	}
	left, taken := d.s.refundableExternally(), money.Zero(d.s.Currency)
	if id != ExternalPayment {
		if left, taken, err = d.refundableOf(d.s.payment(id)); err != nil {
			return err
		}
	}
	refundable := floorZero(sub(left, taken))
	amount := refundable
	if a.Amount != nil {
		amount = *a.Amount
		if err := d.payable(amount); err != nil {
			return err
		}
	}
	switch {
	case less(refundable, amount) && !less(left, amount), !amount.IsPositive() && taken.IsPositive():
		return refuse("disputed_money", "%s of the payment was already taken back by a dispute, so that %s can be refunded: "+
			"the customer would be paid twice", taken, refundable)
	case less(refundable, amount), !amount.IsPositive():
		return refuse("refund_exceeds_refundable", "%s of the payment can be refunded", refundable)
	}
	if limit, ok := d.s.refundLimit(); ok {
		b := d.s.Balances()
		if after := add(add(b.Refunded, b.RefundPending), amount); less(limit, after) {
			return refuse("refund_limit_exceeded", "refunds of the order are limited to %s, and would come to %s", limit, after)
		}
	}
	if !a.ByHand && !a.AtGateway {
		return refuse(CodeGatewayCannot, "the gateway cannot be asked to refund the payment: make the refund by hand, and say by_hand")
	}
	e := RefundInitiated{
		RefundID: DeriveID(d.orderID, "refund", at.Key), PaymentID: id, Amount: &amount, InitiatedBy: c.Actor,
		ByHand: a.ByHand, External: id == ExternalPayment,
	}
	if e.External {
		e.PaymentID = ""
	}
	d.emit(at, e)
	if !a.ByHand {
		d.askGateway(at, c, GatewayActionInitiated{PaymentID: e.PaymentID, RefundID: e.RefundID, Amount: &amount})
	}
	return nil
}

// refundableOf is what is left of a payment besides disputes, and what disputes have taken of it.
func (d *decider) refundableOf(p *Payment) (left, taken money.Money, err error) {
	for i := range d.s.Refunds {
		r := &d.s.Refunds[i]
		if r.PaymentID == p.ID && !r.AmountKnown && r.Status != RefundFailedStatus {
			return left, taken, refuse("refund_amount_unknown",
				"the gateway has not told the amount of an earlier refund of the payment; until it does, or a correction says so, nothing more is refunded")
		}
	}
	if p.reversing {
		return left, taken, refuse("reversal_under_way", "the payment is being reversed")
	}
	left, taken = d.s.refundable(p.ID)
	return left, taken, nil
}

// toRefund finds what is refunded: a payment's id, or ExternalPayment.
func (d *decider) toRefund(a RefundPayment) (string, error) {
	external := a.PaymentID == ExternalPayment
	if a.PaymentID == "" && a.ByHand && !d.s.External.IsZero() {
		external = true
		for i := range d.s.Payments {
			if d.s.Payments[i].Captured.IsPositive() {
				return "", refuse("payment_required", "money came through the gateway and outside it: say which payment, or %q", ExternalPayment)
			}
		}
	}
	switch {
	case !external:
		p, err := d.paymentToRefund(a.PaymentID)
		if err != nil {
			return "", err
		}
		return p.ID, nil
	case !d.s.External.IsPositive():
		return "", refuse("nothing_captured", "no money was received outside the gateway")
	case !a.ByHand:
		return "", refuse(CodeGatewayCannot, "what was received outside the gateway is given back by hand: say by_hand")
	}
	return ExternalPayment, nil
}

// refundableExternally is what can still be given back of what was received outside the gateway.
func (s *State) refundableExternally() money.Money {
	left := add(money.Zero(s.Currency), s.External)
	for i := range s.Refunds {
		if r := &s.Refunds[i]; r.External {
			left = sub(left, sub(r.Completed, r.Reversed))
			if r.Open && r.AmountKnown {
				left = sub(left, r.Amount)
			}
		}
	}
	return floorZero(left)
}

func (d *decider) paymentToRefund(id string) (*Payment, error) {
	if id != "" {
		p := d.s.payment(id)
		if p == nil {
			return nil, refuse("payment_unknown", "the order has no such payment")
		}
		if !p.Captured.IsPositive() {
			return nil, refuse("nothing_captured", "no money of the payment was captured")
		}
		return p, nil
	}
	var found *Payment
	for i := range d.s.Payments {
		p := &d.s.Payments[i]
		if !p.Captured.IsPositive() {
			continue
		}
		if found != nil {
			return nil, refuse("payment_required", "several payments of the order have captured money: say which one")
		}
		found = p
	}
	if found == nil {
		return nil, refuse("nothing_captured", "no money of the order was captured")
	}
	return found, nil
}

func (d *decider) reversePayment(at At, c *Instruct, a ReversePayment) error {
	p, err := d.paymentToRefund(a.PaymentID)
	if err != nil {
		return err
	}
	left, taken := d.s.refundable(p.ID)
	switch {
	case p.reversing:
		return refuse("reversal_under_way", "the payment is being reversed")
	case p.Settled.IsPositive():
		return refuse("already_settled", "the payment is settled; it can be refunded, not reversed")
	case taken.IsPositive():
		return refuse("disputed_money", "%s of the payment was already taken back by a dispute", taken)
	case !left.Equal(p.Captured):
		return refuse("already_given_back", "money of the payment was or is being given back")
	}
	if !a.AtGateway {
		return refuse(CodeGatewayCannot, "the gateway cannot be asked to reverse the payment; it can be refunded")
	}
	payment := p.ID
	d.emit(at, ReversalInitiated{PaymentID: payment, Amount: &left})
	d.askGateway(at, c, GatewayActionInitiated{PaymentID: payment, Amount: &left})
	return nil
}

// refundLimit is how much may be refunded in all by the order's percentage; false is no limit.
func (s *State) refundLimit() (money.Money, bool) {
	if s.RefundLimitPercent == "" || !s.DueKnown {
		return money.Money{}, false // what is refundable is the only limit
	}
	percent, err := decimal.NewFromString(s.RefundLimitPercent)
	if err != nil || percent.IsNegative() {
		return money.Zero(s.Currency), true // what cannot be read allows nothing
	}
	if percent.IsZero() {
		return money.Money{}, false
	}
	limit, err := money.New(s.AmountDue.Amount().Mul(percent).Shift(-2).RoundFloor(s.Currency.MinorUnits()), s.Currency)
	if err != nil {
		return money.Zero(s.Currency), true
	}
	return limit, true
}
