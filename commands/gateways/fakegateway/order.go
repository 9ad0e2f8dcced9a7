package fakegateway

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/money"
)

// gatewayOrder is an order, or for ConnectPay a payment.
type gatewayOrder struct {
	gateway, id, reference string
	payment                string // id of the first payment
	checkout               string // where it is paid
	currency               money.Currency
	total                  money.Money
	captured, released     money.Money
	refunded, pending      money.Money
	status                 string // Everifin: of the payment that changed last
	created, changed       time.Time
	age                    time.Duration // how far behind the gateway's clock the order lives
	history                []change
	refunds                []refund
	instructions           map[string][]byte // Everifin: answers by instructionId

	slow  bool // refunds and reversals stay initiated
	muted bool // sends no webhooks

	// Decta alone.
	payout, skipCapture, isTest, denyOverdue bool
	due                                      time.Time
	attempts, attemptsMax                    int
	disputed, returned                       money.Money // taken and given back by disputes
	refundReversed                           money.Money
	// Everifin alone.
	payments    []*payment      // oldest first
	orderStatus string          // that webhooks told
	told        string          // id of the payment or refund that changed last
	refundLimit json.RawMessage // as it was asked for; empty is 100
	// ConnectPay alone.
	beforeRefund string // the status that a failed refund goes back to
	contradicts  bool   // isTerminal says the opposite
	remark       string // status.description
}

type change struct {
	status string
	at     time.Time
}

// payment is one of an Everifin order.
type payment struct {
	id, status, reason            string
	amount                        money.Money
	created, confirmed, finalized time.Time
}

type refund struct {
	id, status string
	amount     money.Money
}

func (f *Fake) add(o *gatewayOrder) {
	o.id, o.payment = uuid.NewString(), uuid.NewString()
	if o.gateway == Decta {
		o.payment = o.id
	}
	o.checkout = f.checkout(o.gateway, o.payment)
	o.currency = o.total.Currency()
	zero := money.Zero(o.currency)
	o.captured, o.released, o.refunded, o.pending, o.disputed, o.returned, o.refundReversed = zero, zero, zero, zero, zero, zero, zero
	o.age = f.ages[o.reference]
	o.created = o.now(f)
	o.instructions = map[string][]byte{}
	o.to(f, o.status)
	f.order = append(f.order, o)
	f.byID[o.id], f.byID[o.payment] = o, o
}

// now is the gateway's time as the order lives in it.
func (o *gatewayOrder) now(f *Fake) time.Time { return f.o.Clock().UTC().Add(-o.age) }

func (o *gatewayOrder) to(f *Fake, status string) {
	o.status, o.changed = status, o.now(f)
	o.history = append(o.history, change{status: status, at: o.changed})
}

// refundable is what a refund may still ask for.
func (o *gatewayOrder) refundable() (money.Money, error) {
	left, err := o.captured.Sub(o.refunded)
	if err != nil {
		return money.Money{}, err
	}
	if left, err = left.Add(o.refundReversed); err != nil {
		return money.Money{}, err
	}
	return left.Sub(o.pending)
}

// askRefund begins a refund; false when there is not so much to give back.
func (o *gatewayOrder) askRefund(f *Fake, amount money.Money) (refund, bool) {
	left, err := o.refundable()
	if err != nil {
		return refund{}, false
	}
	if c, err := amount.Cmp(left); err != nil || c > 0 || !amount.IsPositive() {
		return refund{}, false
	}
	pending, err := o.pending.Add(amount)
	if err != nil {
		return refund{}, false
	}
	o.pending = pending
	r := refund{id: uuid.NewString(), status: "CREATED", amount: amount}
	o.refunds, o.told = append(o.refunds, r), r.id
	f.byID[r.id] = o
	switch o.gateway {
	case Decta:
		o.to(f, "refund_initiated")
	case ConnectPay:
		o.beforeRefund = o.status
		o.to(f, "PendingRefund")
	}
	return r, true
}

// endRefunds gives the refunds that are under way their last status.
func (o *gatewayOrder) endRefunds(status string) {
	o.pending = money.Zero(o.currency)
	for i := range o.refunds {
		if o.refunds[i].status == "CREATED" {
			o.refunds[i].status, o.told = status, o.refunds[i].id
		}
	}
}

func (o *gatewayOrder) finishRefunds(f *Fake) error {
	refunded, err := o.refunded.Add(o.pending)
	if err != nil {
		return err
	}
	o.refunded = refunded
	o.endRefunds("BOOKED")
	switch o.gateway {
	case Decta:
		o.to(f, "refunded")
	case ConnectPay:
		if refunded.Equal(o.captured) {
			o.to(f, "Refunded")
		} else {
			o.to(f, "PartialyRefunded")
		}
	}
	return nil
}

// reversed ends a reversal: the hold is gone, or the captured money is back.
func (o *gatewayOrder) reversed(f *Fake) {
	o.released = o.total
	o.to(f, "reversed")
}
