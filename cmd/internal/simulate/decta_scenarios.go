package simulate

// dectaScenarios are the card gateway's stories.
func dectaScenarios() []scenario {
	list := append(dectaPayments(), dectaMoneyBack()...)
	list = append(append(list, dectaDisputes()...), dectaOddities()...)
	for i := range list {
		list[i].gateway, list[i].name = Decta, "decta: "+list[i].name
	}
	return list
}

func dectaPayments() []scenario {
	return []scenario{
		{name: "paid in one step", weight: 220, play: func(s *script) { s.open().pay() }},
		{name: "paid and settled", weight: 120, play: func(s *script) { s.open().pay().settle() }},
		{name: "withdrawn to the merchant", weight: 4, play: func(s *script) {
			o := s.open().pay()
			o.enter("withdrawn", day, 2*day)
			o.tell()
		}},
		{name: "failed, then paid", weight: 40, play: func(s *script) { s.open().start().fail().pay() }},
		{name: "never paid", weight: 30, play: func(s *script) { s.open().tell() }},
		{name: "in progress", weight: 8, play: func(s *script) { s.open().start().tell() }},
		{name: "hold captured", weight: 50, play: func(s *script) { o := s.open().hold(); o.capture(o.total) }},
		{name: "hold captured in part", weight: 20, play: func(s *script) { o := s.open().hold(); o.capture(s.share(o.total)) }},
		{name: "hold captured in part, settled", weight: 10, play: func(s *script) { o := s.open().hold(); o.capture(s.share(o.total)).settle() }},
		{name: "capture failed, then captured", weight: 4, play: func(s *script) { o := s.open().hold().fail(); o.capture(o.total) }},
		{name: "hold open", weight: 10, play: func(s *script) { s.open().hold() }},
		{name: "hold voided", weight: 8, play: func(s *script) { s.open().hold().cancel(hour, 2*day) }},
		{name: "hold cancelled after 28 days", weight: 4, play: func(s *script) {
			s.beginEarly()
			s.open().hold().cancel(28*day, 28*day)
		}},
		{name: "three failures, cancelled", weight: 8, play: func(s *script) {
			s.open().start().fail().start().fail().start().fail().cancel(1, 60)
		}},
		{name: "cancelled by the merchant", weight: 12, play: func(s *script) { s.open().cancel(hour, 5*day) }},
		{name: "rejected by the customer", weight: 8, play: func(s *script) { s.open().close("rejected", lifecycleRejected) }},
		{name: "rejected, then cancelled", weight: 4, play: func(s *script) { s.open().close("rejected", lifecycleRejected).cancel(hour, day) }},
		{name: "overdue", weight: 6, play: func(s *script) { s.open().close("overdue", lifecycleOverdue) }},
		{name: "overdue, then paid", weight: 12, play: func(s *script) { s.open().close("overdue", lifecycleOverdue).pay() }},
		{name: "expired", weight: 10, play: func(s *script) { s.open().close("expired", lifecycleExpired) }},
		{name: "expired, paid late", weight: 6, play: func(s *script) { s.open().close("expired", lifecycleExpired).pay() }},
		{name: "overdue, then expired", weight: 4, play: func(s *script) {
			s.open().close("overdue", lifecycleOverdue).close("expired", lifecycleExpired)
		}},
		{name: "cancelled, paid in a race", weight: 4, play: func(s *script) { s.open().close("cancelled", lifecycleCancelled).pay() }},
		{name: "received outside", weight: 12, play: func(s *script) { s.open().receive() }},
		{name: "overdue, received outside", weight: 4, play: func(s *script) { s.open().close("overdue", lifecycleOverdue).receive() }},
	}
}

func dectaMoneyBack() []scenario {
	return []scenario{
		{name: "refunded in full", weight: 16, play: func(s *script) { o := s.open().pay(); o.refund(o.total) }},
		{name: "refunded in part", weight: 16, play: func(s *script) { o := s.open().pay(); o.refund(s.share(o.total)) }},
		{name: "three partial refunds", weight: 10, play: func(s *script) {
			o := s.open().pay()
			o.refund(o.total / 4).refund(o.total / 4).refund(s.share(o.total / 4))
		}},
		{name: "refunded in full in two steps", weight: 6, play: func(s *script) {
			o := s.open().pay()
			first := s.share(o.total)
			o.refund(first).refund(o.total - first)
		}},
		{name: "refund under way", weight: 8, play: func(s *script) {
			o := s.open().pay()
			o.startRefund(s.share(o.total)).tell()
		}},
		{name: "second refund under way", weight: 4, play: func(s *script) {
			o := s.open().pay()
			o.refund(o.total / 3).startRefund(o.total / 3).tell()
		}},
		{name: "refund failed", weight: 8, play: func(s *script) { o := s.open().pay(); o.startRefund(s.share(o.total)).refuseRefund() }},
		{name: "refund failed, then refunded", weight: 4, play: func(s *script) {
			o := s.open().pay()
			o.startRefund(o.total / 2).refuseRefund().refund(o.total / 2)
		}},
		{name: "refunded, second refund failed", weight: 4, play: func(s *script) {
			o := s.open().pay()
			o.refund(o.total / 2).startRefund(o.total / 4).refuseRefund()
		}},
		{name: "refund reversed", weight: 8, play: func(s *script) {
			o := s.open().pay()
			amount := s.share(o.total)
			o.refund(amount).undoRefund(amount)
		}},
		{name: "refund reversed in part", weight: 4, play: func(s *script) { o := s.open().pay(); o.refund(o.total / 2).undoRefund(o.total / 4) }},
		{name: "partial capture refunded in full", weight: 6, play: func(s *script) {
			o := s.open().hold()
			o.capture(s.share(o.total))
			o.refund(o.taken)
		}},
		{name: "hold reversed", weight: 6, play: func(s *script) { o := s.open().hold(); o.startReversal().reverse(o.total) }},
		{name: "payment reversed", weight: 8, play: func(s *script) { o := s.open().pay(); o.startReversal().reverse(o.total) }},
		{name: "payment reversed in part", weight: 4, play: func(s *script) { o := s.open().pay(); o.reverse(s.share(o.total)) }},
		{name: "partial capture reversed", weight: 4, play: func(s *script) {
			o := s.open().hold()
			o.capture(s.share(o.total))
			o.startReversal().reverse(o.taken)
		}},
		{name: "full capture of a hold reversed", weight: 6, play: func(s *script) {
			o := s.open().hold()
			o.capture(o.total).startReversal().reverse(o.total)
		}},
		{name: "reversal under way", weight: 6, play: func(s *script) { s.open().pay().startReversal() }},
		{name: "reversal failed", weight: 6, play: func(s *script) {
			o := s.open().pay().startReversal()
			o.enter("reversal_failed", 10, hour)
			o.tell()
		}},
	}
}

func dectaDisputes() []scenario {
	return []scenario{
		{name: "chargeback", weight: 10, play: func(s *script) { o := s.open().pay(); o.chargeBack("chargeback", o.total) }},
		{name: "partial chargeback", weight: 4, play: func(s *script) { o := s.open().pay(); o.chargeBack("chargeback", s.share(o.total)) }},
		{name: "retrieval only", weight: 6, play: func(s *script) { s.open().pay().stage("retrieval", disputeInquiry) }},
		{name: "retrieval, chargeback, representation, won", weight: 6, play: func(s *script) {
			o := s.open().pay().stage("retrieval", disputeInquiry)
			o.chargeBack("chargeback", o.total).reinstate("representation", o.total)
		}},
		{name: "representation lost in arbitration", weight: 4, play: func(s *script) {
			o := s.open().pay()
			o.chargeBack("chargeback", o.total).stage("representation", disputeOpen).
				stage("pre_arbitration", disputeOpen).stage("arbitration", disputeOpen)
		}},
		{name: "won, and charged back again", weight: 4, play: func(s *script) {
			o := s.open().pay()
			o.chargeBack("chargeback", o.total).reinstate("representation", o.total).chargeBack("chargeback", o.total/2)
		}},
		{name: "allocation, pre-arbitration", weight: 4, play: func(s *script) {
			o := s.open().pay()
			o.chargeBack("chargeback", o.total).stage("pre_arbitration", disputeOpen)
		}},
		{name: "dispute returned to paid", weight: 4, play: func(s *script) {
			o := s.open().pay()
			o.chargeBack("chargeback", o.total).reinstate("representation", o.total).enter("paid", day, 2*day)
			o.tell()
		}},
		{name: "fraud advice only", weight: 6, play: func(s *script) { s.open().pay().stage("fraud_advice", disputeNone) }},
		{name: "fraud advice after chargeback", weight: 4, play: func(s *script) {
			o := s.open().pay()
			o.chargeBack("chargeback", o.total).stage("fraud_advice", disputeNone)
		}},
		{name: "good faith", weight: 4, play: func(s *script) { s.open().pay().stage("good_faith", disputeInquiry) }},
		{name: "good faith accepted", weight: 4, play: func(s *script) {
			o := s.open().pay()
			if s.chance(50) {
				o.stage("good_faith", disputeInquiry)
			}
			o.chargeBack("good_faith", s.share(o.total))
		}},
		{name: "two partial chargebacks", weight: 6, play: func(s *script) {
			o := s.open().pay()
			first := s.share(o.total)
			second := o.total - first
			if s.chance(50) {
				second = (second + 1) / 2
			}
			o.chargeBack("chargeback", first).chargeBack("chargeback", second)
		}},
		{name: "refund after a partial chargeback", weight: 6, play: func(s *script) {
			o := s.open().pay()
			part := s.share(o.total)
			o.chargeBack("chargeback", part).refund(o.total - part)
		}},
		{name: "refund in full after a chargeback", weight: 4, play: func(s *script) {
			o := s.open().pay()
			o.chargeBack("chargeback", o.total).refund(o.total)
		}},
		{name: "counters null, paid and settled", weight: 4, play: func(s *script) {
			s.open().withoutCounters().pay().settle()
		}},
		{name: "counters null, refunded in part", weight: 4, play: func(s *script) {
			o := s.open().withoutCounters().pay()
			o.refund(s.share(o.total))
		}},
		{name: "counters null, charged back", weight: 4, play: func(s *script) {
			o := s.open().withoutCounters().pay()
			o.chargeBackUntold()
			s.keepPlaces()
		}},
		{name: "pre-compliance", weight: 4, play: func(s *script) { s.open().pay().stage("pre_compliance", disputeOpen) }},
		{name: "compliance lost", weight: 4, play: func(s *script) {
			o := s.open().pay().stage("pre_compliance", disputeOpen)
			o.chargeBack("compliance", o.total)
		}},
		{name: "chargeback of an amount not told", weight: 4, play: func(s *script) {
			o := s.open().pay()
			if s.chance(50) {
				o.refund(s.share(o.total))
			}
			o.chargeBackUntold()
			s.keepPlaces() // what is assumed depends on what is known
		}},
		{name: "chargeback, its amount told later", weight: 4, play: func(s *script) {
			o := s.open().pay()
			o.chargeBackUntold()
			o.chargeBackLearnt(s.share(o.total))
			s.keepPlaces() // what is assumed depends on what is known
		}},
		{name: "double dip", weight: 6, play: func(s *script) {
			o := s.open().pay()
			o.refund(o.total).chargeBack("chargeback", o.total)
		}},
		{name: "chargeback after a partial refund", weight: 6, play: func(s *script) {
			o := s.open().pay()
			part := s.share(o.total)
			o.refund(part).chargeBack("chargeback", o.total-part)
		}},
	}
}

func dectaOddities() []scenario {
	return []scenario{
		{name: "paid in yen", weight: 8, play: func(s *script) { c := currency{"JPY", 0}; s.newDecta(c, s.price(c)).issue().pay() }},
		{name: "yen refunded in part", weight: 4, play: func(s *script) {
			c := currency{"JPY", 0}
			o := s.newDecta(c, s.price(c)).issue().pay()
			o.refund(s.share(o.total))
		}},
		{name: "paid in dinars", weight: 6, play: func(s *script) { c := currency{"BHD", 3}; s.newDecta(c, s.price(c)).issue().pay().settle() }},
		{name: "dinars captured in part", weight: 4, play: func(s *script) {
			c := currency{"BHD", 3}
			o := s.newDecta(c, s.price(c)).issue().hold()
			o.capture(s.share(o.total))
		}},
		{name: "card verified for nothing", weight: 4, play: func(s *script) {
			s.newDecta(s.anyCurrency(), 0).issue().pay()
		}},
		{name: "unknown status", weight: 6, play: func(s *script) {
			o := s.open().pay()
			o.enter(s.oneOf("awaiting_moon", "Quantum hold", "paid_twice"), hour, day)
			o.tell()
		}},
		{name: "other currency in between", weight: 4, play: func(s *script) {
			o := s.open()
			o.tellInFull()
			s.keepPlace()
			o.tellOtherCurrency()
			o.pay()
		}},
		{name: "amount too precise in between", weight: 4, play: func(s *script) {
			o := s.open()
			o.tellInFull()
			s.keepPlace()
			o.tellTooPrecise()
			o.pay()
		}},
		{name: "negative amount in between", weight: 4, play: func(s *script) {
			o := s.open()
			o.tellInFull()
			s.keepPlace()
			o.tellNegative()
			o.pay()
		}},
		{name: "refund counter wrong in between", weight: 6, play: func(s *script) {
			o := s.open().pay()
			part := o.total / 3
			o.refund(part).tellInFull()
			s.keepPlace()
			o.tellBadCounter()
			o.refund(part)
		}},
		{name: "a long life", weight: 16, play: playLongLife},
		{name: "clock ahead", weight: 4, play: func(s *script) {
			o := s.open()
			o.history = append(o.history, statusChange{"in_progress", beyond().Unix() + s.rand.Int64N(day)})
			o.pay()
		}},
		{name: "two attempts, the second paid", weight: 8, play: func(s *script) {
			first := s.open().start().fail()
			s.newDecta(first.currency, first.total).issue().pay()
		}},
		{name: "two attempts, the first cancelled", weight: 6, play: func(s *script) {
			first := s.open()
			first.cancel(hour, 2*hour)
			s.newDecta(first.currency, s.price(first.currency)).issue().pay()
		}},
		{name: "two attempts, both paid", weight: 6, play: func(s *script) {
			first := s.open().pay()
			s.newDecta(first.currency, first.total).issue().pay()
		}},
		{name: "two attempts, both paid, one refunded", weight: 4, play: func(s *script) {
			first := s.open().pay()
			second := s.newDecta(first.currency, first.total).issue().pay()
			second.refund(second.total)
		}},
		{name: "test order", weight: 8, play: playTestOrder},
		{name: "payout paid", weight: 8, play: func(s *script) { s.payOut("paid", "PAID") }},
		{name: "payout reversed", weight: 4, play: func(s *script) { s.payOut("reversed", "REVERSED") }},
		{name: "payout failed", weight: 4, play: func(s *script) { s.payOut("failed", "FAILED") }},
		{name: "payout cancelled", weight: 4, play: func(s *script) { s.payOut("cancelled", "CANCELLED") }},
		{name: "payout expired", weight: 4, play: func(s *script) { s.payOut("expired", "CANCELLED") }},
		{name: "payout under way", weight: 4, play: func(s *script) { s.payOut("in_progress", "PROCESSING") }},
		{name: "payout requested", weight: 4, play: func(s *script) { s.payOut("created", "REQUESTED") }},
	}
}

// playLongLife is a payment with all that may happen after it, at random, and
// never more back than there is.
func playLongLife(s *script) {
	s.beginEarly()
	o := s.open()
	if s.chance(50) {
		o.hold().capture(s.share(o.total))
	} else {
		o.start().fail().pay()
	}
	if s.chance(50) {
		o.settle()
	}
	left := o.taken
	for range 2 + s.rand.IntN(5) {
		amount := s.rand.Int64N(left/2 + 1)
		if amount == 0 {
			break
		}
		switch s.rand.IntN(5) {
		case 0:
			o.startRefund(amount).refuseRefund()
		case 1:
			o.refund(amount).undoRefund(amount)
		case 2:
			o.chargeBack("chargeback", amount).reinstate("representation", amount)
		case 3:
			o.chargeBack("chargeback", amount)
			left -= amount
		default:
			o.refund(amount)
			left -= amount
		}
	}
	o.tellInFull()
}

// playTestOrder is a payment that no money stands behind.
func playTestOrder(s *script) {
	c := s.anyCurrency()
	o := s.newDecta(c, s.price(c))
	o.test, s.truth.test = true, true
	if s.chance(50) {
		o.enter("test", 0, 1)
	}
	o.issue().pay()
}

// payOut sends money to a customer, up to a last status.
func (s *script) payOut(last, state string) {
	c := s.anyCurrency()
	o := s.newDecta(c, s.price(c))
	s.payout = &payoutTruth{amount: o.total}
	o.enter("created", 0, minute)
	o.tellPayout()
	if last != "created" {
		o.enter("in_progress", minute, hour)
		o.tellPayout()
	}
	s.payout.state = state
	if last == o.status {
		return
	}
	if last == "reversed" {
		o.enter("paid", hour, day)
		o.tellPayout()
	}
	o.enter(last, hour, day)
	o.tellPayout()
	if last == "paid" {
		s.payout.paidOut = o.total
	}
}
