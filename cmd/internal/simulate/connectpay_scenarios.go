package simulate

const (
	pis  = "PIS"
	card = "CARD"
)

// connectPayScenarios are the stories of the gateway without orders.
func connectPayScenarios() []scenario {
	list := append(connectPayPayments(), connectPayMoneyBack()...)
	for i := range list {
		list[i].gateway, list[i].name = ConnectPay, "connectpay: "+list[i].name
	}
	return list
}

func connectPayPayments() []scenario {
	return []scenario{
		{name: "approved", weight: 130, play: func(s *script) { s.initiate(s.oneOf(card, "ApplePay", "GooglePay")).move("Processing", "Approved") }},
		{name: "approved and settled", weight: 120, play: func(s *script) { s.initiate(pis).move("Processing", "PendingProvider", "Approved", "Settled") }},
		{name: "settled, then approved", weight: 16, play: func(s *script) { s.initiate(pis).move("PendingProvider", "Settled", "Approved") }},
		{name: "settled only", weight: 8, play: func(s *script) { s.initiate(pis).move("Processing", "Settled") }},
		{name: "initiated", weight: 8, play: func(s *script) { s.initiate(pis) }},
		{name: "pending at the provider", weight: 6, play: func(s *script) { s.initiate(pis).move("PendingProvider", "PendingProvider") }},
		{name: "failed", weight: 10, play: func(s *script) { s.initiate(card).move("Processing", "Failed") }},
		{name: "abandoned", weight: 12, play: func(s *script) { s.initiate(pis).move("Abandoned") }},
		{name: "abandoned, settled late", weight: 4, play: func(s *script) { s.initiate(pis).move("Abandoned", "Settled") }},
		{name: "abandoned, then paid anew", weight: 10, play: func(s *script) {
			first := s.initiate(pis)
			first.lose("Abandoned")
			s.newConnectPay(card, s.currency, s.price(s.currency)).start().move("Approved")
		}},
		{name: "two payments of one order", weight: 12, play: func(s *script) {
			s.initiate(card).move("Approved")
			s.newConnectPay(pis, s.currency, s.price(s.currency)).start().move("Approved", "Settled")
		}},
		{name: "two wallets for one order", weight: 4, play: func(s *script) {
			s.initiate("ApplePay").move("Failed")
			s.due = 0 // a failed payment is not due beside one that may be paid
			s.newConnectPay("GooglePay", s.currency, s.price(s.currency)).start().move("Processing", "Approved")
		}},
		{name: "two payments, one open", weight: 6, play: func(s *script) {
			s.initiate(card).move("Approved")
			s.newConnectPay(pis, s.currency, s.price(s.currency)).start()
		}},
		{name: "two payments, both lost", weight: 4, play: playBothLost},
		{name: "paid in yen", weight: 6, play: func(s *script) {
			c := currency{"JPY", 0}
			s.newConnectPay(card, c, s.price(c)).start().move("Approved")
		}},
		{name: "paid in dinars", weight: 6, play: func(s *script) {
			c := currency{"BHD", 3}
			s.newConnectPay(card, c, s.price(c)).start().move("Approved", "Settled")
		}},
		{name: "unknown status", weight: 4, play: func(s *script) { s.initiate(pis).move("OnHoldByMoon", "Approved") }},
		{name: "known by merchantReference only", weight: 4, play: func(s *script) {
			c := currency{"EUR", 2}
			p := s.newConnectPay(card, c, s.price(c))
			p.merchantReference = s.reference
			p.start().move("Approved")
		}},
		{name: "amount too precise in between", weight: 4, play: func(s *script) {
			p := s.initiate(card).fixed()
			p.status = "Approved"
			precise := currency{s.currency.code, 3}
			p.amount = 10*p.amount + 5
			s.send(delivery{body: p.body(precise), fixed: true})
			p.amount /= 10
			p.move("Approved")
		}},
		{name: "negative amount in between", weight: 4, play: func(s *script) {
			p := s.initiate(card).fixed()
			p.status, p.amount = "Approved", -p.amount
			s.send(delivery{body: p.body(s.currency), fixed: true})
			p.amount = -p.amount
			p.move("Approved")
		}},
		{name: "other currency in between", weight: 4, play: func(s *script) {
			p := s.initiate(card).fixed()
			p.status = "Approved"
			s.send(delivery{body: p.body(s.otherCurrency()), fixed: true})
			p.move("Approved")
		}},
	}
}

func connectPayMoneyBack() []scenario {
	return []scenario{
		{name: "refunded", weight: 12, play: func(s *script) { s.initiate(card).move("Approved", "PendingRefund", "Refunded") }},
		{name: "refunded at once", weight: 6, play: func(s *script) { s.initiate(card).move("Approved", "Refunded") }},
		{name: "settled and refunded", weight: 6, play: func(s *script) { s.initiate(pis).move("Approved", "Settled", "Refunded") }},
		{name: "refund under way", weight: 6, play: func(s *script) { s.initiate(card).move("Approved").fixed().move("PendingRefund").fixed() }},
		{name: "partly refunded twice, then refunded", weight: 6, play: func(s *script) {
			s.initiate(card).move("Approved", "PendingRefund", "PartialyRefunded", "PartialyRefunded", "Refunded")
		}},
		{name: "partly refunded", weight: 4, play: func(s *script) { s.initiate(card).move("Approved", "PartialyRefunded") }},
		{name: "partly refunded at last", weight: 6, play: func(s *script) {
			// Nothing but the sequence tells which of the two is the last word.
			s.initiate(card).move("Approved").fixed().move("PendingRefund").fixed().move("PartialyRefunded").fixed()
		}},
		{name: "wallet payment refunded", weight: 6, play: func(s *script) {
			s.initiate(s.oneOf("ApplePay", "GooglePay")).move("Processing", "Approved", "PendingRefund", "Refunded")
		}},
		{name: "refund failed", weight: 6, play: func(s *script) {
			s.initiate(card).move("Approved").fixed().move("PendingRefund").fixed().refuseRefund("Approved")
		}},
		{name: "refund failed after settlement", weight: 4, play: func(s *script) {
			s.initiate(card).move("Approved", "Settled").fixed().move("PendingRefund").fixed().refuseRefund("Settled")
		}},
		{name: "two payments, one refunded", weight: 6, play: func(s *script) {
			s.initiate(card).move("Approved")
			s.newConnectPay(card, s.currency, s.price(s.currency)).start().move("Approved", "Refunded")
		}},
	}
}

// playBothLost has no payment that may still be paid: the latest one's amount
// is due. Which one is the latest is told by nothing but the sequence.
func playBothLost(s *script) {
	first := s.initiate(pis)
	first.lose("Abandoned")
	first.fixed()
	second := s.newConnectPay(card, s.currency, s.price(s.currency)).start().move("Failed")
	s.due = second.amount
}
