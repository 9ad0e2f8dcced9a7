package simulate

// answerPayment is the gateway's answer to a GET of one payment, which does not
// name the reference.
func (o *everifinOrder) answerPayment(t *transfer) {
	if o.named {
		o.answer()
		return
	}
	o.s.send(delivery{body: o.payment(t, o.s.currency), source: o.id})
}

func (o *everifinOrder) payment(t *transfer, c currency) []byte {
	w := &writer{b: make([]byte, 0, 900)}
	w.open('{')
	w.object("meta")
	w.text("status", "SUCCESS")
	w.close('}')
	w.object("data")
	w.text("id", t.id)
	w.text("orderId", o.id)
	w.text("instructionId", t.instruction)
	w.amount("amount", c, t.amount, o.trimmed)
	w.text("currency", c.code)
	w.text("recipientIban", "SK3112000000198742637541")
	w.text("recipientName", "Shop a.s.")
	w.text("senderIban", "SK6807200002891987426353")
	w.text("senderBankId", "fkbaredn")
	w.text("senderBankBic", "TATRSKBX")
	w.text("paymentMessage", "Order "+o.s.reference)
	w.text("status", t.status)
	if t.reason == "" {
		w.literal("reasonCode", "null")
	} else {
		w.text("reasonCode", t.reason)
	}
	w.text("createdAt", timestamp(t.createdAt, 0))
	moment(w, "confirmedAt", t.confirmedAt)
	moment(w, "finalizedAt", t.finalizedAt)
	w.object("hookData")
	w.text("tenant", "t1")
	w.close('}')
	w.boolean("disableHooks", false)
	w.close('}')
	w.close('}')
	return w.b
}

// moment writes a time, null for zero.
func moment(w *writer, name string, seconds int64) {
	if seconds == 0 {
		w.literal(name, "null")
		return
	}
	w.text(name, timestamp(seconds, 0))
}
