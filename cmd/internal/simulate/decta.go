package simulate

// dectaOrder is the gateway's Order object. Its methods are the steps of an
// order's life; each moves the object and the truth.
type dectaOrder struct {
	s                   *script
	id, number, status  string
	currency            currency
	total               int64
	test                bool
	history             []statusChange
	issued, modified    int64
	viewed, paid        int64
	captured, settledAt int64
	errors              []statusChange
	skipCapture         bool

	// held is the open hold and taken what the gateway captured.
	held, taken int64
	// The gateway's cumulative counters; amountReversed is absent at first.
	amountReversed                                int64
	reversedTold                                  bool
	amountRefunded, refundInitial, refundReversal int64
	chargebacks, chargebacksReversed              int64
	// unpriced: the gateway tells stages of a dispute and no amounts; it leaves
	// the counters out, or says null.
	unpriced, nullCounters bool
	reasonCode             string

	method, scheme, arn string
	product, client     string
	buyer               buyer
	trimmed             bool
}

// statusChange is a word and its time in seconds since 1970.
type statusChange struct {
	word string
	on   int64
}

// newDecta issues a gateway order of the script's ledger order.
func (s *script) newDecta(c currency, total int64) *dectaOrder {
	if s.reference == "" {
		s.reference = s.newReference()
	}
	o := &dectaOrder{
		s: s, id: s.uuid(), number: s.reference, currency: c, total: total,
		method: "card", scheme: s.oneOf("visa", "mastercard"),
		product: s.uuid(), client: s.uuid(), buyer: s.anyBuyer(), trimmed: s.chance(40),
	}
	s.id, s.currency, s.due, s.dueKnown = o.id, c, total, true
	return o
}

// issue is the usual start, reported or not.
func (o *dectaOrder) issue() *dectaOrder {
	if o.s.chance(5) {
		o.enter("draft", 0, 10)
	}
	o.enter("issued", 0, minute)
	o.issued = o.modified
	if o.s.chance(80) {
		o.tell()
	}
	return o
}

// open issues an order and lets the customer come.
func (s *script) open() *dectaOrder {
	c := s.anyCurrency()
	return s.newDecta(c, s.price(c)).issue().visit()
}

// visit is the customer on the payment form.
func (o *dectaOrder) visit() *dectaOrder {
	if o.s.chance(50) {
		o.enter("viewed", minute, hour)
		o.viewed = o.modified
		o.maybeTell(60)
	}
	return o
}

// enter puts the object into a status, low to high seconds from now.
func (o *dectaOrder) enter(status string, low, high int64) {
	o.modified = o.s.wait(low, high)
	o.status = status
	o.history = append(o.history, statusChange{status, o.modified})
}

func (o *dectaOrder) maybeTell(percent int) {
	if o.s.chance(percent) {
		o.tell()
	}
}

func (o *dectaOrder) start() *dectaOrder {
	o.enter("in_progress", 10, 20*minute)
	o.maybeTell(50)
	return o
}

func (o *dectaOrder) fail() *dectaOrder {
	o.enter("failed", 5, 3*minute)
	o.errors = append(o.errors, statusChange{o.s.oneOf("Insufficient funds", "Do not honour", "3-D Secure failed"), o.modified})
	o.maybeTell(90)
	return o
}

// pay is a payment in one step.
func (o *dectaOrder) pay() *dectaOrder {
	o.start()
	o.enter("paid", 5, 5*minute)
	o.paid, o.taken = o.modified, o.total
	o.s.captured += o.total
	o.tell()
	if o.s.chance(4) { // the same object again, in other bytes
		o.tell()
	}
	return o
}

// hold blocks the whole amount on the customer's card.
func (o *dectaOrder) hold() *dectaOrder {
	o.skipCapture = true
	o.start()
	o.enter("hold", 5, 5*minute)
	o.held = o.total
	o.s.authorised += o.total
	o.tell()
	return o
}

// capture takes a part of the hold, or all of it; the rest is released.
func (o *dectaOrder) capture(amount int64) *dectaOrder {
	o.enter("paid", hour, 4*day)
	o.paid, o.captured, o.taken = o.modified, o.modified, amount
	o.s.authorised -= o.held
	o.s.captured += amount
	if rest := o.held - amount; rest > 0 {
		o.amountReversed, o.reversedTold = rest, true
	}
	o.held = 0
	o.tell()
	return o
}

// settle is the money on its way to the merchant.
func (o *dectaOrder) settle() *dectaOrder {
	o.modified = o.s.wait(day, 2*day)
	o.settledAt = o.modified
	o.s.settled += o.taken
	o.tellInFull()
	return o
}

// cancel closes the order and ends a hold.
func (o *dectaOrder) cancel(low, high int64) {
	o.enter("cancelled", low, high)
	o.s.authorised -= o.held
	o.held = 0
	o.s.lifecycle = lifecycleCancelled
	o.tell()
}

// close enters a due-date or closing status without money.
func (o *dectaOrder) close(status, lifecycle string) *dectaOrder {
	o.enter(status, hour, 3*day)
	o.s.lifecycle = lifecycle
	o.tell()
	return o
}

// receive is the merchant saying that the money came outside the gateway.
func (o *dectaOrder) receive() {
	o.enter("received", hour, 3*day)
	o.paid, o.method, o.scheme = o.modified, "", ""
	o.s.external += max(0, o.s.due-o.s.gross())
	o.tell()
}

// startReversal and reverse take a payment, or a part of it, or a hold back
// before clearing.
func (o *dectaOrder) startReversal() *dectaOrder {
	o.enter("reversal_initiated", minute, 6*hour)
	o.tell()
	return o
}

func (o *dectaOrder) reverse(amount int64) {
	o.enter("reversed", 10, hour)
	o.amountReversed, o.reversedTold = o.amountReversed+amount, true
	if o.held > 0 {
		o.s.authorised -= o.held
		o.held = 0
	} else {
		o.s.reversed += amount
	}
	o.tell()
	if o.s.captured < o.total {
		o.s.incomplete() // the counter does not tell released from reversed money any more
	}
}

// startRefund is a refund under way.
func (o *dectaOrder) startRefund(amount int64) *dectaOrder {
	o.enter("refund_initiated", hour, 2*day)
	o.refundInitial = amount
	o.s.refundOpen, o.s.refundPending = true, amount
	o.maybeTell(85)
	return o
}

// refund pays an amount back, announced or not.
func (o *dectaOrder) refund(amount int64) *dectaOrder {
	if o.s.chance(50) {
		o.startRefund(amount)
	}
	o.enter("refunded", 10, 2*hour)
	o.amountRefunded += amount
	o.s.refunded += amount
	o.s.refundOpen, o.s.refundPending = false, 0
	o.tell()
	return o
}

func (o *dectaOrder) refuseRefund() *dectaOrder {
	o.enter("refund_failed", 10, 2*hour)
	o.s.refundOpen, o.s.refundPending = false, 0
	o.tell()
	return o
}

// undoRefund brings a completed refund back to the merchant.
func (o *dectaOrder) undoRefund(amount int64) {
	o.enter("refund_reversed", hour, day)
	o.refundReversal += amount
	o.s.refunded -= amount
	o.tell()
}

// stage is a step of a dispute that moves no money.
func (o *dectaOrder) stage(status, dispute string) *dectaOrder {
	o.enter(status, hour, 3*day)
	if dispute == disputeOpen || o.s.dispute != disputeOpen && dispute != disputeNone {
		o.s.dispute = dispute
	}
	o.tell()
	return o
}

// chargeBack takes an amount from the merchant, at a stage of a dispute.
func (o *dectaOrder) chargeBack(status string, amount int64) *dectaOrder {
	if o.reasonCode == "" {
		o.reasonCode = o.s.oneOf("10.4", "13.10", "4837", "4853")
	}
	o.chargebacks += amount
	o.s.disputeHeld += amount
	return o.stage(status, disputeOpen)
}

// withoutCounters is a gateway that says null where others count chargebacks.
func (o *dectaOrder) withoutCounters() *dectaOrder {
	o.unpriced, o.nullCounters = true, true
	return o
}

// chargeBackUntold takes what is left, and the gateway tells no amount.
func (o *dectaOrder) chargeBackUntold() {
	o.unpriced = true
	o.s.disputeHeld += o.taken - o.amountRefunded
	o.stage("chargeback", disputeOpen)
}

// chargeBackLearnt tells the amount of a chargeback that no amount was told of.
func (o *dectaOrder) chargeBackLearnt(amount int64) {
	o.unpriced = false
	o.chargebacks += amount
	o.s.disputeHeld -= o.taken - o.amountRefunded - amount
	o.modified = o.s.wait(hour, day)
	o.tell()
}

// reinstate gives a disputed amount back, at a stage of a dispute.
func (o *dectaOrder) reinstate(status string, amount int64) *dectaOrder {
	o.chargebacksReversed += amount
	o.s.disputeHeld -= amount
	return o.stage(status, disputeOpen)
}
