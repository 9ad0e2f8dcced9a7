package simulate

// everifinScenarios are the open-banking gateway's stories. All but two end with
// the answer to a GET, because hooks carry no amounts.
func everifinScenarios() []scenario {
	list := append(everifinPayments(), everifinMoneyBack()...)
	list = append(append(list, everifinOddities()...),
		scenario{name: "hooks only", weight: 4, play: hooksOnly(evFailed, evExpired)},
		scenario{name: "hooks only, booked", weight: 4, play: hooksOnly(evBooked)})
	for i := range list {
		list[i].gateway, list[i].name = Everifin, "everifin: "+list[i].name
	}
	return list
}

// told ends a story with all that the gateway knows.
func told(story func(*script) *everifinOrder) func(*script) {
	return func(s *script) {
		o := story(s)
		if s.chance(60) {
			o.sendHook("order.statusChange", "", "", o.orderStatus())
		}
		o.answer()
	}
}

func everifinPayments() []scenario {
	return []scenario{
		{name: "paid", weight: 200, play: told(func(s *script) *everifinOrder { return s.newEverifin().pay() })},
		{name: "paid after a question", weight: 10, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin()
			o.sendHook("payment.statusCheck", "paymentId", o.last().id, "")
			return o.pay()
		})},
		{name: "created", weight: 10, play: told(func(s *script) *everifinOrder { return s.newEverifin() })},
		{name: "confirmed", weight: 12, play: told(func(s *script) *everifinOrder { return s.newEverifin().move(evProcessing, evConfirmed) })},
		{name: "confirmed, then failed", weight: 8, play: told(func(s *script) *everifinOrder {
			return s.newEverifin().move(evSeen, evProcessing, evConfirmed, evFailed)
		})},
		{name: "failed", weight: 24, play: told(func(s *script) *everifinOrder { return s.newEverifin().move(evSeen, evFailed) })},
		{name: "expired", weight: 12, play: told(func(s *script) *everifinOrder { return s.newEverifin().move(evExpired) })},
		{name: "outcome unknown", weight: 6, play: told(func(s *script) *everifinOrder {
			return s.newEverifin().move(evSeen, evProcessing, evProcessingExpired)
		})},
		{name: "outcome unknown, then booked", weight: 6, play: told(func(s *script) *everifinOrder {
			return s.newEverifin().move(evProcessing, evProcessingExpired, evBooked)
		})},
		{name: "failed, then booked", weight: 6, play: told(func(s *script) *everifinOrder {
			return s.newEverifin().move(evSeen, evProcessing, evFailed, evBooked)
		})},
		{name: "confirmed, outcome unknown", weight: 6, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin().move(evProcessing, evConfirmed)
			s.keepPlaces() // nothing later repeats that the bank said yes
			return o.move(evProcessingExpired)
		})},
		{name: "amount raised before the payment began", weight: 8, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin()
			return o.raiseUnpaid(1 + s.share(o.amount)).pay()
		})},
		{name: "withdrawn twice", weight: 6, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin().move(evWithdrawn)
			o.hook(o.last()) // the answer of the call and the hook say the same
			return o
		})},
		{name: "amount raised, both paid", weight: 10, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin().pay()
			return o.raise(1 + s.share(o.amount)).pay()
		})},
		{name: "amount raised, partly paid", weight: 8, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin().pay()
			return o.raise(1 + s.share(o.amount)).move(evSeen)
		})},
		{name: "failed, second payment booked", weight: 10, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin().move(evSeen, evFailed)
			o.add(o.amount)
			return o.pay()
		})},
		{name: "paid twice", weight: 6, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin().pay()
			o.add(o.amount)
			return o.pay()
		})},
	}
}

func everifinOddities() []scenario {
	return []scenario{
		{name: "paid in yen", weight: 4, play: told(func(s *script) *everifinOrder {
			return s.newEverifinOf(currency{"JPY", 0}).pay()
		})},
		{name: "paid in dinars", weight: 4, play: told(func(s *script) *everifinOrder {
			return s.newEverifinOf(currency{"BHD", 3}).pay()
		})},
		{name: "unknown status", weight: 4, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin().move(evProcessing)
			o.sendHook("payment.statusChange", "paymentId", o.last().id, "PAUSED_BY_MOON")
			return o.move(evBooked)
		})},
		{name: "other currency in between", weight: 4, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin()
			o.answer()
			s.keepPlace()
			s.send(delivery{body: o.order(s.otherCurrency()), fixed: true})
			return o.pay()
		})},
		{name: "amount too precise in between", weight: 4, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin()
			o.answer()
			s.keepPlace()
			o.tellTooPrecise()
			return o.pay()
		})},
		{name: "negative amount in between", weight: 4, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin()
			o.answer()
			s.keepPlace()
			o.tellNegative()
			return o.pay()
		})},
		{name: "two orders of one reference", weight: 4, play: told(func(s *script) *everifinOrder {
			first := s.newEverifin()
			first.named = true // a first body without the reference would be taken for an order of its own
			first.move(evSeen, evExpired).answer()
			s.wait(hour, day)
			second := s.newEverifinOf(s.currency)
			second.named = true
			return second.pay()
		})},
		{name: "clock ahead", weight: 4, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin()
			now := s.now
			s.now = beyond().Unix() + s.rand.Int64N(day)
			o.move(evSeen)
			s.now = now
			return o.move(evProcessing, evBooked)
		})},
	}
}

func everifinMoneyBack() []scenario {
	return []scenario{
		{name: "refunded in full", weight: 12, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin().pay()
			return o.refund(o.amount, evSeen, evProcessing, evBooked)
		})},
		{name: "refunded in part", weight: 12, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin().pay()
			return o.refund(s.share(o.amount), evProcessing, evConfirmed, evBooked)
		})},
		{name: "two partial refunds", weight: 6, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin().pay()
			return o.refund(o.amount/3, evProcessing, evBooked).refund(o.amount/3, evBooked)
		})},
		{name: "refund under way", weight: 6, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin().pay()
			return o.refund(s.share(o.amount), evSeen)
		})},
		{name: "refund failed", weight: 6, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin().pay()
			return o.refund(s.share(o.amount), evProcessing, evFailed)
		})},
		{name: "refund failed, second refund booked", weight: 6, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin().pay()
			amount := s.share(o.amount)
			return o.refund(amount, evProcessing, evFailed).refund(amount, evSeen, evProcessing, evBooked)
		})},
		{name: "refund withdrawn", weight: 4, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin().pay()
			return o.refund(s.share(o.amount), evWithdrawn)
		})},
		{name: "refund expired", weight: 4, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin().pay()
			return o.refund(s.share(o.amount), evExpired)
		})},
		{name: "refund's outcome unknown", weight: 4, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin().pay()
			return o.refund(s.share(o.amount), evProcessing, evProcessingExpired)
		})},
		{name: "amount raised, refunded in part", weight: 6, play: told(func(s *script) *everifinOrder {
			o := s.newEverifin().pay()
			o.raise(1 + s.share(o.amount)).pay()
			return o.refund(o.amount/2, evProcessing, evBooked)
		})},
	}
}

// hooksOnly is an order whose amounts nobody tells: nothing can be counted, not
// even money that came.
func hooksOnly(last ...string) func(*script) {
	return func(s *script) {
		o := &everifinOrder{s: s, id: s.uuid(), created: s.now}
		s.id, s.reference = o.id, s.newReference()
		o.add(0)
		for _, status := range []string{evSeen, evProcessing, s.oneOf(last...)} {
			s.wait(10, 10*minute)
			o.last().status = status
			o.hook(o.last())
		}
	}
}
