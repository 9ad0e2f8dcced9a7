package order_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// absurd is a time that no gateway can know of.
var absurd = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)

// told is a notification that was received at a time.
func told(body string, received time.Time, reg order.Registration, facts ...order.Fact) order.Observe {
	c := observe(body, reg, facts...)
	c.ReceivedAt = received
	return c
}

// life folds notifications in that order.
func life(t interface{ Fatalf(string, ...any) }, notifications ...order.Observe) order.State {
	var s order.State
	for _, c := range notifications {
		s, _ = feedAt(t, s, c, c.ReceivedAt)
	}
	return s
}

// TestDecide_AbsurdTimes: a time that cannot be true does not make what happens and is received afterwards look old.
func TestDecide_AbsurdTimes(t *testing.T) {
	t.Parallel()
	p := order.PaymentRef{SourceID: "p1", SourceOrderID: "o1"}
	hours := func(n int) time.Time { return day.Add(time.Duration(n) * time.Hour) }
	at := func(key string, when time.Time) order.At {
		return order.At{Key: key, OccurredAt: when, Basis: order.BasisStatusChange}
	}
	due := eur("100.00")
	paid := told("paid", hours(1), order.Registration{AmountDue: &due, SourceOrderID: "o1", Version: order.Version{IssuedAt: day, ModifiedAt: hours(1)}},
		order.Totals{At: at("t", hours(1)), Payment: p, Total: due, Captured: true, CapturedAt: hours(1)})
	refunded := func(body string, received time.Time, pending *money.Money, steps ...order.RefundStepAt) order.Observe {
		return told(body, received, order.Registration{SourceOrderID: "o1"},
			order.RefundTotals{At: at(body, received), Payment: p, Steps: steps, Pending: pending, ModifiedAt: received})
	}
	step := func(step order.RefundStep, key string, when time.Time) order.RefundStepAt {
		return order.RefundStepAt{At: at(key, when), Step: step}
	}
	initiated, completed := order.RefundStepInitiated, order.RefundStepCompleted

	t.Run("RefundWithoutCounter", func(t *testing.T) {
		t.Parallel()
		s := life(t, paid,
			refunded("r1", hours(2), ptr(eur("10.00")), step(initiated, "i1", hours(2))),
			refunded("r2", hours(3), nil, step(completed, "c1", absurd)),
			refunded("r3", hours(50), ptr(eur("5.00")), step(initiated, "i2", hours(50))),
			refunded("r4", hours(51), nil, step(completed, "c2", hours(51))))
		if b := s.Balances(); !b.Refunded.Equal(eur("15.00")) || !b.RefundPending.IsZero() {
			t.Errorf("refunded %s, pending %s, want 15.00 and nothing", b.Refunded, b.RefundPending)
		}
	})
	t.Run("RefundThatBegan", func(t *testing.T) {
		t.Parallel()
		s := life(t, paid,
			refunded("r1", hours(9), ptr(eur("10.00")), step(initiated, "i1", absurd)),
			refunded("r2", hours(10), nil, step(order.RefundStepFailed, "f1", hours(8))))
		if b := s.Balances(); !b.RefundPending.IsZero() {
			t.Errorf("%s is pending of a refund that failed", b.RefundPending)
		}
	})
	t.Run("CounterThatWentDown", func(t *testing.T) {
		t.Parallel()
		counter := func(body string, modified, received time.Time, amount string) order.Observe {
			return told(body, received, order.Registration{SourceOrderID: "o1"},
				order.RefundTotals{At: at(body, modified), Payment: p, Refunded: ptr(eur(amount)), ModifiedAt: modified})
		}
		s := life(t, paid, counter("c1", absurd, hours(2), "30.00"), counter("c2", hours(50), hours(50), "20.00"))
		if !slices.Contains(s.Flags(), order.FlagCounterRegressed) {
			t.Errorf("the counter went down, and the flags are %v", s.Flags())
		}
		s = life(t, paid, counter("c1", absurd, hours(60), "30.00"), counter("c2", hours(50), hours(61), "20.00"))
		if slices.Contains(s.Flags(), order.FlagCounterRegressed) {
			t.Errorf("an old notification is no counter that went down: %v", s.Flags())
		}
	})
	t.Run("SecondChargeback", func(t *testing.T) {
		t.Parallel()
		disputed := func(body string, received time.Time, returned *money.Money, chargebacks ...order.At) order.Observe {
			return told(body, received, order.Registration{SourceOrderID: "o1"},
				order.DisputeTotals{At: at(body, received), Payment: p, Returned: returned, Chargebacks: chargebacks, ModifiedAt: received})
		}
		s := life(t, paid,
			disputed("d1", hours(2), nil, at("cb1", absurd)),
			disputed("d2", hours(30), ptr(eur("100.00")), at("cb1", absurd)),
			disputed("d3", hours(60), ptr(eur("100.00")), at("cb1", absurd), at("cb2", hours(60))))
		if b := s.Balances(); !b.DisputeHeld.Equal(eur("100.00")) {
			t.Errorf("%s is held after the second chargeback, want 100.00", b.DisputeHeld)
		}
	})
	t.Run("AmountDue", func(t *testing.T) {
		t.Parallel()
		asks := func(body string, modified, received time.Time, amount string) order.Observe {
			return told(body, received, order.Registration{SourceOrderID: "o1", AmountDue: ptr(eur(amount)), Version: order.Version{IssuedAt: day, ModifiedAt: modified}},
				order.PaymentSeen{At: at(body, received), Payment: p, Amount: ptr(eur(amount)), Version: order.Version{ModifiedAt: modified}})
		}
		for _, tc := range []struct {
			name string
			told []order.Observe
			want string
		}{
			{"LaterCounts", []order.Observe{asks("a", hours(1), hours(1), "90.00"), asks("b", absurd, hours(2), "100.00"), asks("c", hours(50), hours(50), "120.00")}, "120.00"},
			{"LateOneDoesNot", []order.Observe{asks("b", absurd, hours(60), "100.00"), asks("c", hours(50), hours(61), "120.00")}, "100.00"},
			{"OneWrongClockOrdersWhatItTells", []order.Observe{asks("b", absurd.Add(2), hours(2), "100.00"), asks("c", absurd.Add(1), hours(3), "120.00")}, "100.00"},
			{"RepeatedIsNoNewerOne", []order.Observe{asks("b", absurd, hours(2), "100.00"), asks("c", hours(50), hours(50), "120.00"), asks("d", absurd, hours(60), "100.00")}, "120.00"},
		} {
			s := life(t, tc.told...)
			if !s.AmountDue.Equal(eur(tc.want)) || !s.Payments[0].Amount.Equal(eur(tc.want)) {
				t.Errorf("%s: due %s, payment of %s, want %s", tc.name, s.AmountDue, s.Payments[0].Amount, tc.want)
			}
		}
	})
}

// TestDecide_AbsurdTimesInAnyOrder: counters, amounts and what is due end the same in any order of arrival, also with times that
// cannot be true among them (invariant I7).
func TestDecide_AbsurdTimesInAnyOrder(t *testing.T) {
	t.Parallel()
	p := order.PaymentRef{SourceID: "p1", SourceOrderID: "o1"}
	rapid.Check(t, func(t *rapid.T) {
		const received = 2000 // hours: all is received after it all happened
		n := rapid.IntRange(2, 7).Draw(t, "bodies")
		bodies := make([]order.Observe, n)
		refunded, back, withdrawn, returned := 0, 0, 0, 0
		for i := range bodies { // what the gateway knows grows with time
			when := day.Add(time.Duration(i+1) * time.Hour)
			refunded += rapid.IntRange(0, 5).Draw(t, "refunded")
			back += rapid.IntRange(0, refunded-back).Draw(t, "back")
			withdrawn += rapid.IntRange(0, 5).Draw(t, "withdrawn")
			returned += rapid.IntRange(0, withdrawn-returned).Draw(t, "returned")
			if rapid.IntRange(0, 2).Draw(t, "clock") == 0 {
				when = absurd.Add(time.Duration(i) * time.Hour)
			}
			at := order.At{Key: fmt.Sprintf("b%d", i), OccurredAt: when, Basis: order.BasisSourceField}
			whole := func(n int) *money.Money { return ptr(eur(fmt.Sprintf("%d.00", n))) }
			due := whole(100 + rapid.IntRange(0, 3).Draw(t, "due"))
			asked := whole(200 + rapid.IntRange(0, 3).Draw(t, "asked"))
			bodies[i] = observe(at.Key, order.Registration{SourceOrderID: "o1", AmountDue: due, Version: order.Version{IssuedAt: day, ModifiedAt: when}},
				order.PaymentSeen{At: at, Payment: order.PaymentRef{SourceID: "p2", SourceOrderID: "o1"}, Amount: asked, Version: order.Version{ModifiedAt: when}},
				order.Totals{At: at, Payment: p, Total: eur("200.00"), Captured: true, CapturedAt: day},
				order.RefundTotals{At: at, Payment: p, Refunded: whole(refunded), RefundReversed: whole(back), ModifiedAt: when},
				order.DisputeTotals{At: at, Payment: p, Withdrawn: whole(withdrawn), Returned: whole(returned), ModifiedAt: when})
		}
		figures := func(sequence []order.Observe) string {
			shuffled := make([]order.Observe, len(sequence))
			for i, c := range sequence {
				c.ReceivedAt = day.Add((received + time.Duration(i)) * time.Hour)
				shuffled[i] = c
			}
			s := life(t, shuffled...)
			b := s.Balances()
			for i := range s.Payments {
				if s.Payments[i].SourceID == "p2" {
					return fmt.Sprint(b.Captured, b.Refunded, b.DisputeHeld, b.Net, s.RefundState(), s.AmountDue, s.Payments[i].Amount)
				}
			}
			return ""
		}
		inOrder := figures(bodies)
		if got := figures(rapid.Permutation(bodies).Draw(t, "arrival")); got != inOrder {
			t.Fatalf("%s in another order of arrival, want %s", got, inOrder)
		}
	})
}
