package simulate

import "time"

// Statuses of Everifin's payments and refunds.
const (
	evCreated           = "CREATED"
	evSeen              = "SEEN"
	evProcessing        = "PROCESSING"
	evConfirmed         = "CONFIRMED"
	evBooked            = "BOOKED"
	evFailed            = "FAILED"
	evExpired           = "EXPIRED"
	evWithdrawn         = "WITHDRAWN"
	evProcessingExpired = "PROCESSING_EXPIRED"
)

// everifinOrder is an order of the open-banking gateway with its payments and
// refunds, which are the same kind of thing there.
type everifinOrder struct {
	s                 *script
	id                string
	amount            int64
	created           int64
	payments, refunds []*transfer
	trimmed, bare     bool
	// named: each body names the reference.
	named bool
}

// transfer is a payment, or a refund, between two bank accounts.
type transfer struct {
	id, status, instruction string
	amount                  int64
	refund                  bool
	// Times of the creation, of the bank's yes and of a final status, 0 while
	// there is none, and why a payment failed.
	createdAt, confirmedAt, finalizedAt int64
	reason                              string
	// confirmed: the payer's bank said yes and has not booked yet.
	confirmed bool
}

// newEverifin makes an order with its first payment.
func (s *script) newEverifin() *everifinOrder {
	c := s.oneOf("EUR", "EUR", "EUR", "CZK", "PLN")
	return s.newEverifinOf(currency{c, 2})
}

func (s *script) newEverifinOf(c currency) *everifinOrder {
	amount := s.price(c)
	o := &everifinOrder{s: s, id: s.uuid(), amount: amount, created: s.now, trimmed: s.chance(40), bare: s.chance(5)}
	if s.reference == "" {
		s.reference = s.newReference()
	}
	s.id, s.currency = o.id, c
	s.due, s.dueKnown = o.amount, true
	o.add(amount)
	if s.chance(60) {
		o.answer()
	}
	return o
}

// add makes a payment of the order.
func (o *everifinOrder) add(amount int64) *transfer {
	p := &transfer{id: o.s.uuid(), status: evCreated, instruction: o.s.uuid(), amount: amount, createdAt: o.s.now}
	o.payments = append(o.payments, p)
	return p
}

func (o *everifinOrder) last() *transfer { return o.payments[len(o.payments)-1] }

// move takes the last payment through statuses.
func (o *everifinOrder) move(statuses ...string) *everifinOrder {
	for _, status := range statuses {
		o.step(o.last(), status)
	}
	return o
}

// pay is the usual way of a payment to the books.
func (o *everifinOrder) pay() *everifinOrder {
	o.move(evSeen, evProcessing)
	if o.s.chance(60) {
		o.move(evConfirmed)
	}
	return o.move(evBooked)
}

// raiseUnpaid asks for more before the payment began: the same payment asks for
// the larger amount from then on. The answer to the call tells it, and keeps its
// place: no member of it tells that it is newer than the answers before.
func (o *everifinOrder) raiseUnpaid(by int64) *everifinOrder {
	o.amount += by
	o.s.due = o.amount
	o.last().amount += by
	o.s.wait(minute, hour)
	o.answer()
	o.s.keepPlaces()
	return o
}

// tellTooPrecise and tellNegative are answers about the order or its payment
// with amounts that no honest gateway tells.
func (o *everifinOrder) tellTooPrecise() { o.misstate(1, 10, 5) }
func (o *everifinOrder) tellNegative()   { o.misstate(0, -1, 0) }

// misstate tells each amount times factor plus addend, with more digits than
// the currency has.
func (o *everifinOrder) misstate(digits int, factor, addend int64) {
	c, t := o.s.currency, o.last()
	c.digits += digits
	amount, part := o.amount, t.amount
	o.amount, t.amount = factor*amount+addend, factor*part+addend
	body := o.payment(t, c)
	if o.s.chance(50) {
		body = o.order(c)
	}
	o.amount, t.amount = amount, part
	o.s.send(delivery{body: body, fixed: true})
}

// raise asks for more, by a further payment.
func (o *everifinOrder) raise(by int64) *everifinOrder {
	o.amount += by
	o.s.due = o.amount
	o.add(by)
	o.s.wait(minute, hour)
	return o
}

// refund starts to send an amount back, and takes it through statuses.
func (o *everifinOrder) refund(amount int64, statuses ...string) *everifinOrder {
	r := &transfer{id: o.s.uuid(), status: evCreated, amount: amount, refund: true}
	o.refunds = append(o.refunds, r)
	o.s.refundPending += amount
	o.s.refundOpen = true
	o.s.wait(hour, 3*day)
	for _, status := range statuses {
		o.step(r, status)
	}
	return o
}

// step moves a transfer, and the truth, and tells it.
func (o *everifinOrder) step(t *transfer, status string) {
	o.s.wait(10, 10*minute)
	t.status = status
	if t.refund {
		o.stepRefund(t)
	} else {
		o.stepPayment(t)
	}
	o.hook(t)
	if !t.refund && o.s.chance(paymentAnswers(t)) {
		o.answerPayment(t)
	}
	if o.s.chance(15) {
		o.answer()
	}
}

func (o *everifinOrder) stepPayment(t *transfer) {
	switch t.status {
	case evConfirmed:
		o.s.expected += t.amount
		t.confirmed, t.confirmedAt = true, o.s.now
	case evBooked:
		o.s.captured += t.amount
		o.s.settled += t.amount
		t.reason = ""
		o.unconfirm(t)
	case evFailed:
		t.reason = o.s.anyReason()
		o.unconfirm(t)
	case evExpired, evWithdrawn:
		o.unconfirm(t)
	}
	switch t.status {
	case evBooked, evFailed, evExpired, evWithdrawn, evProcessingExpired:
		t.finalizedAt = o.s.now
	}
}

// anyReason is why a payment failed.
func (s *script) anyReason() string {
	return s.oneOf("CANCELED_BY_PAYER_AT_EVERIFIN", "BANK_NOT_FOUND", "MANUAL_TRANSFER_REQUESTED",
		"CANCELED_BY_PAYER_AT_BANK", "INSUFFICIENT_AMOUNT", "AML_BLOCKED", "REJECTED_BY_BANK", "OTHER")
}

// paymentAnswers is how often, in percent, a hook about a payment is followed
// by the answer to a GET of it: hooks do not tell why a payment failed.
func paymentAnswers(t *transfer) int {
	if t.status == evFailed {
		return 100
	}
	return 12
}

func (o *everifinOrder) unconfirm(t *transfer) {
	if t.confirmed {
		o.s.expected -= t.amount
		t.confirmed = false
	}
}

func (o *everifinOrder) stepRefund(t *transfer) {
	switch t.status {
	case evBooked:
		o.s.refunded += t.amount
		o.s.refundPending -= t.amount
	case evFailed, evExpired, evWithdrawn:
		o.s.refundPending -= t.amount
	}
	o.s.refundOpen = o.s.refundPending > 0
}

// orderStatus is the gateway's own word for the order.
func (o *everifinOrder) orderStatus() string {
	switch paid, _ := o.sums(); {
	case paid >= o.amount:
		return "PAID"
	case paid > 0:
		return "PARTIALLY_PAID"
	}
	return "UNPAID"
}

func (o *everifinOrder) sums() (paid, refunded int64) {
	for _, p := range o.payments {
		if p.status == evBooked {
			paid += p.amount
		}
	}
	for _, r := range o.refunds {
		if r.status == evBooked {
			refunded += r.amount
		}
	}
	return paid, refunded
}

func timestamp(seconds, milliseconds int64) string {
	return time.Unix(seconds, milliseconds*int64(time.Millisecond)).UTC().Format("2006-01-02T15:04:05.000Z")
}

// hook tells a status of a payment or refund; it has no amounts.
func (o *everifinOrder) hook(t *transfer) {
	name := "paymentId"
	if t.refund {
		name = "refundId"
	}
	o.sendHook("payment.statusChange", name, t.id, t.status)
}

func (o *everifinOrder) sendHook(event, idName, id, status string) {
	w := &writer{b: make([]byte, 0, 400)}
	w.open('{')
	w.text("eventId", o.s.uuid())
	w.text("eventType", event)
	w.text("eventTimestamp", timestamp(o.s.now, o.s.rand.Int64N(1000)))
	w.object("data")
	if id != "" {
		w.text(idName, id)
	}
	w.text("orderId", o.id)
	if o.named || !o.bare {
		w.text("externalId", o.s.reference)
	}
	if status != "" {
		w.text("status", status)
	}
	w.object("hookData")
	w.text("tenant", "t1")
	w.close('}')
	w.close('}')
	w.close('}')
	o.s.send(delivery{body: w.b, source: o.id})
}

// answer is the gateway's answer to a GET of the order: all that is known.
func (o *everifinOrder) answer() {
	o.s.send(delivery{body: o.order(o.s.currency), source: o.id, whole: true})
}

func (o *everifinOrder) order(c currency) []byte {
	w := &writer{b: make([]byte, 0, 900)}
	w.open('{')
	w.object("meta")
	w.text("status", "SUCCESS")
	w.close('}')
	w.object("data")
	w.text("id", o.id)
	w.amount("amount", c, o.amount, o.trimmed)
	w.text("currency", c.code)
	w.literal("refundLimitPercentage", "100")
	w.text("recipientIban", "SK3112000000198742637541")
	w.text("recipientName", "Shop a.s.")
	w.text("status", o.orderStatus())
	w.text("externalId", o.s.reference)
	w.boolean("canBeWithdrawn", o.last().status == evCreated || o.last().status == evSeen)
	paid, refunded := o.sums()
	w.amount("sumOfPaid", c, paid, o.trimmed)
	w.amount("sumOfRefunded", c, refunded, o.trimmed)
	w.text("createdAt", timestamp(o.created, 0))
	o.transfers(w, c, "payments", o.payments)
	o.transfers(w, c, "refunds", o.refunds)
	w.close('}')
	w.close('}')
	return w.b
}

func (o *everifinOrder) transfers(w *writer, c currency, name string, list []*transfer) {
	w.array(name)
	for _, t := range list {
		w.open('{')
		w.text("id", t.id)
		w.text("status", t.status)
		w.amount("amount", c, t.amount, o.trimmed)
		w.text("currency", c.code)
		w.close('}')
	}
	w.close(']')
}
