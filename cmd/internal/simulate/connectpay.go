package simulate

// connectPayment is a payment of ConnectPay, which knows no orders: payments
// with one merchant.generic1 belong to one order.
type connectPayment struct {
	s                   *script
	id, method          string
	merchantReference   string
	amount              int64
	buyer               buyer
	approved, settled   bool
	status, description string
}

// terminal tells whether ConnectPay calls a status terminal.
func terminal(status string) bool {
	switch status {
	case "Approved", "Settled", "Failed", "Abandoned", "Refunded", "PartialyRefunded":
		return true
	}
	return false
}

// newConnectPay initiates a payment; what is due is the sum of the payments
// that may still be paid, which the stories take care of.
func (s *script) newConnectPay(method string, c currency, amount int64) *connectPayment {
	if s.reference == "" {
		s.reference = s.newReference()
		s.id = s.reference
	}
	s.currency, s.dueKnown = c, true
	s.due += amount
	return &connectPayment{
		s: s, id: s.uuid(), method: method, merchantReference: s.uuid(), amount: amount, buyer: s.anyBuyer(),
	}
}

// initiate is the usual start.
func (s *script) initiate(method string) *connectPayment {
	c := currency{s.oneOf("EUR", "EUR", "EUR", "GBP", "PLN"), 2}
	return s.newConnectPay(method, c, s.price(c)).start()
}

func (p *connectPayment) start() *connectPayment {
	p.move("Initiated")
	if p.s.chance(30) {
		p.move("PendingMerchant")
	}
	if p.s.chance(60) {
		p.move("InProgress")
	}
	return p
}

// move takes the payment through statuses, and tells each.
func (p *connectPayment) move(statuses ...string) *connectPayment {
	for _, status := range statuses {
		p.status, p.description = status, ""
		p.count()
		p.tell(false)
	}
	return p
}

// count moves the order's figures for what happened.
func (p *connectPayment) count() {
	switch p.status {
	case "Approved":
		p.approve()
	case "Settled":
		p.approve()
		if !p.settled {
			p.settled = true
			p.s.settled += p.amount
		}
	case "PendingRefund":
		p.s.refundOpen = true
	case "PartialyRefunded": // of an amount that is never told
		p.s.refundOpen = false
	case "Refunded":
		p.s.refundOpen = false
		p.s.refunded += p.amount
	}
}

func (p *connectPayment) approve() {
	if !p.approved {
		p.approved = true
		p.s.captured += p.amount
	}
}

// refuseRefund is the payment back in its old status, in other bytes than the
// first time, in its place of the sequence.
func (p *connectPayment) refuseRefund(status string) *connectPayment {
	p.status, p.description = status, "Refund was not executed"
	p.s.refundOpen = false
	p.tell(true)
	return p
}

// fixed tells that the last body must keep its place.
func (p *connectPayment) fixed() *connectPayment {
	p.s.keepPlace()
	return p
}

// lose ends the payment without money, and takes its amount off what is due.
func (p *connectPayment) lose(status string) {
	p.move(status)
	p.s.due -= p.amount
}

func (p *connectPayment) tell(fixed bool) {
	p.s.send(delivery{body: p.body(p.s.currency), fixed: fixed})
}

func (p *connectPayment) body(c currency) []byte {
	b := p.buyer
	w := &writer{b: make([]byte, 0, 900)}
	w.open('{')
	w.object("merchant")
	if p.merchantReference == p.s.reference {
		w.literal("generic1", "null")
	} else {
		w.text("generic1", p.s.reference)
	}
	w.close('}')
	w.object("payment")
	w.text("paymentId", p.id)
	w.text("paymentMethod", p.method)
	w.text("providerName", "Siauliu bankas")
	w.object("creditorAccount")
	w.text("iban", "LT247044000000000000")
	w.close('}')
	w.text("creditorName", "Shop UAB")
	w.object("instructedAmount")
	w.text("amount", c.text(p.amount))
	w.text("currency", c.code)
	w.close('}')
	w.text("remittanceInformationUnstructured", "Order "+p.s.reference)
	w.close('}')
	w.object("identifiers")
	w.text("merchantReference", p.merchantReference)
	w.close('}')
	w.object("consumer")
	w.text("name", b.first+" "+b.last)
	w.text("email", b.email)
	w.text("ipAddress", "203.0.113.9")
	w.close('}')
	w.object("status")
	w.text("code", p.status)
	w.boolean("isTerminal", terminal(p.status))
	if p.description != "" {
		w.text("description", p.description)
	}
	w.close('}')
	w.close('}')
	return w.b
}
