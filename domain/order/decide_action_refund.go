package order

import (
	"github.com/shopspring/decimal"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Refundable is what can still be refunded of a payment: captured - reversed - refunded - being refunded
// - taken by disputes, never below zero. Money that a dispute has taken back is not refunded again.
func (s *State) Refundable(paymentID string) money.Money {
	left, taken := s.refundable(paymentID)
	return floorZero(sub(left, taken))
}

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

func (d *decider) refundPayment(at At, c *Instruct, a RefundPayment) error {
	p, err := d.paymentToRefund(a.PaymentID)
	if err != nil {
		return err
	}
	for i := range d.s.Refunds {
		r := &d.s.Refunds[i]
		if r.PaymentID == p.ID && !r.AmountKnown && r.Status != RefundFailedStatus {
			return refuse("refund_amount_unknown",
				"the gateway has not told the amount of an earlier refund of the payment; until it does, or a correction says so, nothing more is refunded")
		}
	}
	if p.reversing {
		return refuse("reversal_under_way", "the payment is being reversed")
	}
	left, taken := d.s.refundable(p.ID)
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
	id, payment := DeriveID(d.orderID, "refund", at.Key), p.ID // emitting moves p
	d.emit(at, RefundInitiated{RefundID: id, PaymentID: payment, Amount: &amount, InitiatedBy: c.Actor})
	if a.AtGateway {
		d.askGateway(at, c, GatewayActionInitiated{PaymentID: payment, RefundID: id, Amount: &amount})
	}
	return nil
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
	payment := p.ID
	d.emit(at, ReversalInitiated{PaymentID: payment, Amount: &left})
	if a.AtGateway {
		d.askGateway(at, c, GatewayActionInitiated{PaymentID: payment, Amount: &left})
	}
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
