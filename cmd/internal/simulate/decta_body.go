package simulate

// thinBodies is how many bodies are thin, oddSpellings how many spell their
// status in a way of their own, in percent.
const (
	thinBodies   = 10
	oddSpellings = 4
)

// tell reports the object as it is now.
func (o *dectaOrder) tell() {
	if o.s.chance(thinBodies) {
		o.s.send(delivery{body: o.thin(), source: o.id})
		return
	}
	o.tellInFull()
}

func (o *dectaOrder) tellInFull() {
	o.s.send(delivery{body: o.full(), source: o.id, whole: true})
}

// spelling is a status as the gateway's versions spell it.
func (o *dectaOrder) spelling(status string) string {
	if !o.s.chance(oddSpellings) {
		return status
	}
	switch status {
	case "received":
		return "Recieved"
	case "cancelled":
		return "canceled"
	case "representation":
		return "Representment"
	case "pre_arbitration":
		return "Pre-arbitration"
	case "pre_compliance":
		return "Precompliance"
	case "refund_initiated":
		return "refund in progress"
	case "reversal_initiated":
		return "Reversal in progress"
	case "in_progress":
		return "In progress"
	case "fraud_advice":
		return "Fraud advice"
	}
	return status
}

// eventName is a hint that some bodies carry.
func eventName(status string) string {
	switch status {
	case "issued", "hold", "received", "rejected":
		return "order." + status
	case "paid":
		return "order.payment_success"
	case "failed":
		return "order.payment_failure"
	case "cancelled":
		return "order.canceled"
	case "viewed":
		return "order.invoice_viewed"
	case "refunded":
		return "order.invoice_refunded"
	case "reversed":
		return "order.invoice_reversal"
	case "refund_initiated":
		return "order.refund_in _progress"
	}
	return ""
}

func (o *dectaOrder) full() []byte {
	w := &writer{b: make([]byte, 0, 1600)}
	w.open('{')
	if name := eventName(o.status); name != "" && o.s.chance(30) {
		w.text("event_type", name)
	}
	o.head(w)
	w.boolean("is_test", o.test)
	w.boolean("is_payable", o.paid == 0)
	if o.skipCapture {
		w.boolean("skip_capture", true)
	}
	w.second("viewed", o.viewed)
	w.second("captured", o.captured)
	w.second("paid", o.paid)
	w.amount("amount_refunded", o.currency, o.amountRefunded, o.trimmed)
	w.amount("amount_refund_initial", o.currency, o.refundInitial, o.trimmed)
	w.amount("amount_refund_reversal", o.currency, o.refundReversal, o.trimmed)
	changes(w, "status_changes", "new_status", o.history, o.spelling)
	o.details(w)
	o.products(w)
	o.people(w)
	w.close('}')
	return w.b
}

// head is what every body has.
func (o *dectaOrder) head(w *writer) {
	w.text("type", "order")
	w.text("id", o.id)
	w.text("number", o.number)
	w.text("status", o.spelling(o.status))
	w.text("currency", o.currency.code)
	w.amount("total", o.currency, o.total, o.trimmed)
	w.second("issued", o.issued)
	w.second("modified", o.modified)
}

// thin is a body with the counters that moved and without a history.
func (o *dectaOrder) thin() []byte {
	w := &writer{b: make([]byte, 0, 400)}
	w.open('{')
	o.head(w)
	if o.test {
		w.boolean("is_test", true)
	}
	if o.captured != 0 {
		w.second("captured", o.captured)
	}
	if o.paid != 0 {
		w.second("paid", o.paid)
	}
	o.counter(w, "amount_refunded", o.amountRefunded)
	o.counter(w, "amount_refund_initial", o.refundInitial)
	o.counter(w, "amount_refund_reversal", o.refundReversal)
	if o.reversedTold || o.chargebacks > 0 {
		w.object("transaction_details")
		o.counter(w, "amount_reversed", o.amountReversed)
		o.counter(w, "chargebacks", o.chargebacks)
		o.counter(w, "chargebacks_reversed", o.chargebacksReversed)
		w.close('}')
	}
	w.close('}')
	return w.b
}

func (o *dectaOrder) counter(w *writer, name string, minor int64) {
	if minor != 0 {
		w.amount(name, o.currency, minor, o.trimmed)
	}
}

// changes writes words with their times.
func changes(w *writer, name, word string, list []statusChange, spell func(string) string) {
	w.array(name)
	for _, c := range list {
		w.open('{')
		w.text(word, spell(c.word))
		w.second("on", c.on)
		w.close('}')
	}
	w.close(']')
}

func (o *dectaOrder) details(w *writer) {
	w.object("transaction_details")
	w.array("errors")
	for _, e := range o.errors {
		w.open('{')
		w.second("on", e.on)
		w.text("description", e.word)
		w.close('}')
	}
	w.close(']')
	w.text("method", o.method)
	w.text("payment_system", o.scheme)
	w.text("arn", o.arn)
	if o.paid != 0 && o.method == "card" {
		w.text("card_masked_pan", "411111******1111")
		w.text("cardholder_name", o.buyer.first+" "+o.buyer.last)
	}
	w.amount("amount_refunded", o.currency, o.amountRefunded, o.trimmed)
	if o.reversedTold || o.held == 0 && o.s.chance(50) {
		w.amount("amount_reversed", o.currency, o.amountReversed, o.trimmed)
	}
	switch {
	case o.nullCounters:
		w.literal("chargebacks", "null")
		w.literal("chargebacks_reversed", "null")
	case !o.unpriced:
		w.amount("chargebacks", o.currency, o.chargebacks, o.trimmed)
		w.amount("chargebacks_reversed", o.currency, o.chargebacksReversed, o.trimmed)
	}
	if o.reasonCode != "" {
		w.literal("chargebacks_reason_code", o.reasonCode)
	}
	if o.settledAt != 0 {
		w.second("settled", o.settledAt)
	}
	w.close('}')
}

func (o *dectaOrder) products(w *writer) {
	w.array("products")
	w.open('{')
	w.text("type", "order_product")
	w.text("id", o.product)
	w.text("title", "Kettle")
	w.amount("price", o.currency, o.total, o.trimmed)
	w.literal("quantity", "1")
	w.amount("total", o.currency, o.total, o.trimmed)
	w.text("currency", o.currency.code)
	w.close('}')
	w.close(']')
}

func (o *dectaOrder) people(w *writer) {
	b := o.buyer
	w.object("client")
	w.text("id", o.client)
	w.text("email", b.email)
	w.text("phone", b.phone)
	w.text("first_name", b.first)
	w.text("last_name", b.last)
	w.literal("saved_card_data", "null")
	w.close('}')
	w.object("brand")
	w.text("brand_name", "Shop of "+b.first)
	w.close('}')
}

// tellOtherCurrency reports the object as if it were in another currency,
// which no honest gateway does.
func (o *dectaOrder) tellOtherCurrency() {
	mine := o.currency
	o.currency = o.s.otherCurrency()
	o.s.send(delivery{body: o.full(), fixed: true})
	o.currency = mine
}

// tellTooPrecise reports the object with a digit more than its currency has.
func (o *dectaOrder) tellTooPrecise() {
	mine, total := o.currency, o.total
	o.currency.digits++
	o.total = 10*total + 5
	o.s.send(delivery{body: o.full(), fixed: true})
	o.currency, o.total = mine, total
}

// tellNegative reports the object with amounts below zero.
func (o *dectaOrder) tellNegative() {
	total := o.total
	o.total = -total
	o.s.send(delivery{body: o.full(), fixed: true})
	o.total = total
}

// tellBadCounter reports a refund counter that cannot be: with a digit more than
// the currency has, below zero, or less than was told before.
func (o *dectaOrder) tellBadCounter() {
	mine, counter := o.currency, o.amountRefunded
	switch o.s.rand.IntN(3) {
	case 0:
		o.currency.digits++
		o.amountRefunded = 10*counter + 5
	case 1:
		o.amountRefunded = -counter
	default:
		o.amountRefunded = counter - 1
	}
	o.s.send(delivery{body: o.full(), fixed: true})
	o.currency, o.amountRefunded = mine, counter
}

// tellPayout reports money that goes out to a customer.
func (o *dectaOrder) tellPayout() {
	w := &writer{b: make([]byte, 0, 500)}
	w.open('{')
	w.text("type", "payout")
	w.text("id", o.id)
	w.text("number", o.number)
	w.text("status", o.status)
	w.amount("amount", o.currency, o.total, o.trimmed)
	w.text("currency", o.currency.code)
	w.text("account", "ACC-1")
	w.text("sdwo_merchant_id", "77")
	w.second("modified", o.modified)
	changes(w, "status_changes", "new_status", o.history, o.spelling)
	w.close('}')
	o.s.send(delivery{body: w.b, source: o.id, whole: true})
}
