package simulate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// origin is when the first order may be issued; orders spread over 28 days from
// it, and all that happens to them happens within 50.
func origin() time.Time { return time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC) }

// beyond is a time in a future that no honest clock shows.
func beyond() time.Time { return time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC) }

const (
	minute = int64(60)
	hour   = 60 * minute
	day    = 24 * hour

	spreadSeconds = 28 * day
	// earlySeconds is the spread of orders that live long.
	earlySeconds = 12 * day
)

// script is one order while it is being played.
type script struct {
	truth
	rand    *rand.Rand
	seed    uint64
	number  int
	gateway string
	// now is the order's clock, in seconds since 1970.
	now        int64
	deliveries []delivery
}

// delivery is one body on its way.
type delivery struct {
	body []byte
	// source is the gateway's order that the body is about, and whole tells
	// that it says all about it that bodies before it said; "" is never lost.
	source string
	whole  bool
	// fixed keeps its place in the sequence: bodies sent before it arrive
	// before it, those sent after it arrive after it.
	fixed bool
	// patience is how often the delivery is passed over once it is next.
	patience int
}

// play invents order number n of a run.
func play(opts Options, n int, stories []scenario) (s *script, name string) {
	const golden = 0x9E3779B97F4A7C15 // spreads neighbouring numbers over the generator's state
	r := rand.New(rand.NewPCG(opts.Seed, (uint64(n)+1)*golden))
	c := choose(r, stories)
	s = &script{truth: newTruth(), rand: r, seed: opts.Seed, number: n, gateway: c.gateway}
	s.now = origin().Unix() + r.Int64N(spreadSeconds)
	c.play(s)
	s.arrange()
	return s, c.name
}

func (s *script) chance(percent int) bool { return s.rand.IntN(100) < percent }

func (s *script) oneOf(words ...string) string { return words[s.rand.IntN(len(words))] }

// wait moves the order's clock on by low to high seconds, by one at least.
func (s *script) wait(low, high int64) int64 {
	s.now += low + s.rand.Int64N(high-low+1) + 1
	return s.now
}

// beginEarly moves the begin of an order so that a long life has room.
func (s *script) beginEarly() { s.now = origin().Unix() + s.rand.Int64N(earlySeconds) }

// share is a part of an amount: more than nothing, less than all of it.
func (s *script) share(of int64) int64 { return 1 + s.rand.Int64N(of-1) }

// uuid invents an id as gateways mint them.
func (s *script) uuid() string {
	hi, lo := s.rand.Uint64(), s.rand.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xfff, lo>>48&0x3fff|0x8000, lo&0xffffffffffff)
}

// newReference is the shop's own number of the order, which no other order of
// this run or of a run with another seed has.
func (s *script) newReference() string {
	return "SO-" + strconv.FormatUint(s.seed, 36) + "-" + strconv.Itoa(s.number+1)
}

// price invents an amount in minor units, most of them small.
func (s *script) price(c currency) int64 {
	units := 2 + s.rand.Int64N(150)
	if s.chance(5) {
		units *= 40
	}
	switch c.digits {
	case 0:
		return units * 150
	case 3:
		return units*1000 + s.rand.Int64N(1000)
	}
	if s.chance(30) {
		return units * 100
	}
	return units*100 + s.rand.Int64N(100)
}

func (s *script) anyCurrency() currency {
	return currency{s.oneOf("EUR", "EUR", "EUR", "EUR", "EUR", "USD", "GBP", "CZK", "SEK"), 2}
}

// otherCurrency is one that the order is not in.
func (s *script) otherCurrency() currency {
	if s.currency.code == "NOK" {
		return currency{"DKK", 2}
	}
	return currency{"NOK", 2}
}

// send puts a body on its way.
func (s *script) send(d delivery) { s.deliveries = append(s.deliveries, d) }

// keepPlace fixes the last body's place in the sequence, or those of all so
// far.
func (s *script) keepPlace() { s.deliveries[len(s.deliveries)-1].fixed = true }

func (s *script) keepPlaces() {
	for i := range s.deliveries {
		s.deliveries[i].fixed = true
	}
}

// incomplete says that the last body does not repeat all that bodies before it
// said.
func (s *script) incomplete() { s.deliveries[len(s.deliveries)-1].whole = false }

// Shares of what goes wrong on the way, in percent.
const (
	shuffledOrders  = 8
	swappedOrders   = 25
	lateOrders      = 4
	duplicateBodies = 8
	lostBodies      = 3

	patienceMax = 40
)

// arrange turns the sequence of sending into the sequence of arrival.
func (s *script) arrange() {
	s.lose()
	swaps := 0
	switch {
	case s.chance(shuffledOrders):
		swaps = 5 * len(s.deliveries)
	case s.chance(swappedOrders):
		swaps = 1 + s.rand.IntN(4)
	}
	for d := s.deliveries; swaps > 0; swaps-- {
		i := s.rand.IntN(len(d))
		if i > 0 && !d[i].fixed && !d[i-1].fixed {
			d[i], d[i-1] = d[i-1], d[i]
		}
	}
	if s.chance(lateOrders) {
		s.delay(s.rand.IntN(len(s.deliveries)))
	}
	for i := 0; i < len(s.deliveries); i++ {
		if s.chance(duplicateBodies) {
			s.repeat(i)
		}
	}
}

// lose lets some bodies never arrive, of those whose content a later one
// repeats.
func (s *script) lose() {
	kept := s.deliveries[:0]
	for i, d := range s.deliveries {
		repeated := slices.ContainsFunc(s.deliveries[i+1:], func(later delivery) bool {
			return later.whole && later.source == d.source
		})
		if repeated && d.source != "" && !d.fixed && s.chance(lostBodies) {
			continue
		}
		kept = append(kept, d)
	}
	s.deliveries = kept
}

// delay moves a body behind all others of its order, by a long time, unless
// something in between keeps its place.
func (s *script) delay(i int) {
	late := s.deliveries[i]
	for _, d := range s.deliveries[i:] {
		if d.fixed {
			return
		}
	}
	late.patience = 1 + s.rand.IntN(patienceMax)
	copy(s.deliveries[i:], s.deliveries[i+1:])
	s.deliveries[len(s.deliveries)-1] = late
}

// repeat delivers a body once more, byte for byte, at once or later. It cannot
// matter when.
func (s *script) repeat(i int) {
	again := delivery{body: s.deliveries[i].body, patience: s.rand.IntN(3)}
	at := i + 1 + s.rand.IntN(len(s.deliveries)-i)
	s.deliveries = append(s.deliveries, delivery{})
	copy(s.deliveries[at+1:], s.deliveries[at:])
	s.deliveries[at] = again
}
