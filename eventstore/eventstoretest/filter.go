package eventstoretest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/order-ledger/order-ledger/eventstore"
)

func (s suite) testFilter(t *testing.T) {
	for _, c := range []struct {
		name   string
		filter func(b *bundle) eventstore.Filter
		want   func(stream, eventType string) bool
	}{
		{"StreamPrefix", func(b *bundle) eventstore.Filter {
			return eventstore.Filter{StreamPrefixes: []string{b.stream("order")}}
		}, func(stream, _ string) bool { return stream == "order" }},
		{"StreamPrefixes", func(b *bundle) eventstore.Filter {
			return eventstore.Filter{StreamPrefixes: []string{b.stream("order"), b.stream("pay")}}
		}, func(stream, _ string) bool { return stream == "order" || stream == "payout" }},
		{"TypePrefixes", func(*bundle) eventstore.Filter {
			return eventstore.Filter{TypePrefixes: []string{"Captured", "Refund"}}
		}, func(_, eventType string) bool { return eventType != "Placed" }},
		{"StreamRegex", func(b *bundle) eventstore.Filter {
			return eventstore.Filter{StreamRegex: "^" + b.prefix + "-(payout|ref)"}
		}, func(stream, _ string) bool { return stream != "order" }},
		{"TypeRegex", func(*bundle) eventstore.Filter {
			return eventstore.Filter{TypeRegex: "^Refund.*d$"}
		}, func(_, eventType string) bool { return eventType == "Refunded" }},
		{"NoSystemEvents", func(*bundle) eventstore.Filter {
			return eventstore.Filter{TypeRegex: `^[^\$].*`}
		}, func(string, string) bool { return true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := s.setup(t)
			start := b.before()
			sub := eventstore.AllSubscription{After: start, Filter: c.filter(b)}
			caughtUp := b.writeMixture(c.want)
			p := b.tapAll(sub)
			b.wantIDs("catch-up", p.live(), caughtUp)
			live := b.writeMixture(c.want)
			b.wantIDs("live", p.events(len(live)), live)
		})
	}
	for _, every := range []uint32{1, 7, 32} {
		t.Run(fmt.Sprintf("CheckpointEvery%d", every), func(t *testing.T) { filterCheckpoints(s.setup(t), every) })
	}
	t.Run("CheckpointWhenCaughtUp", func(t *testing.T) { filterCheckpointWhenCaughtUp(s.setup(t)) })
	t.Run("RefusesInvalid", func(t *testing.T) { filterRefusesInvalid(s.setup(t)) })
}

// writeMixture writes events of three types to three streams and returns those that are wanted.
func (b *bundle) writeMixture(want func(stream, eventType string) bool) (wanted []eventstore.EventData) {
	b.Helper()
	for _, stream := range []string{"order", "payout", "ref"} {
		for _, eventType := range []string{"Placed", "Captured", "Refunded"} {
			e := event(eventType, "{}")
			b.append(b.stream(stream), eventstore.Any, e)
			if want(stream, eventType) {
				wanted = append(wanted, e)
			}
		}
	}
	return wanted
}

// filterCheckpoints: whoever resumes after the last checkpoint or event, whichever is later, misses
// nothing and sees nothing older again.
func filterCheckpoints(b *bundle, every uint32) {
	start := b.before()
	var wanted []eventstore.EventData
	total := 0
	for i := range 40 {
		b.append(b.stream("noise"), eventstore.Any, events(1+i%9)...)
		total += 1 + i%9
		if i%10 == 5 {
			e := event("Wanted", fmt.Sprint(i))
			b.append(b.stream("wanted"), eventstore.Any, e)
			wanted = append(wanted, e)
		}
	}
	sub := eventstore.AllSubscription{
		After: start, Filter: eventstore.Filter{StreamPrefixes: []string{b.stream("wanted")}}, CheckpointEvery: every,
	}
	p := b.tapAll(sub)
	seen, checkpoints := 0, 0
	var resume []eventstore.AllSubscription // one after each message
	var seenThen []int
	for p.caughtUp == 0 {
		switch m := p.message().(type) {
		case eventstore.EventAppeared:
			seen++
			sub.After = &m.Event.Position
		case eventstore.CheckpointReached:
			checkpoints++
			sub.After = &m.Position
		case eventstore.CaughtUp:
			continue
		}
		resume, seenThen = append(resume, sub), append(seenThen, seen)
	}
	if seen != len(wanted) {
		b.Errorf("%d wanted events, want %d", seen, len(wanted))
	}
	if checkpoints < total/32-1 {
		b.Errorf("%d checkpoints in %d events, want at least one in 32", checkpoints, total)
	}
	for i := range resume {
		again := b.tapAll(resume[i])
		b.wantIDs("resumed after "+resume[i].After.String(), again.live(), wanted[seenThen[i]:])
		again.stop()
	}
}

// filterCheckpointWhenCaughtUp: a subscription whose filter matches nothing still moves on.
func filterCheckpointWhenCaughtUp(b *bundle) {
	if !b.features.CheckpointsWhenCaughtUp {
		b.Skip("the engine sends checkpoints only every so many events")
	}
	res := b.append(b.stream("noise"), eventstore.Any, events(3)...)
	p := b.tapAll(eventstore.AllSubscription{Filter: eventstore.Filter{StreamPrefixes: []string{b.stream("never")}}})
	p.live()
	for range 3 {
		for p.checkpoint == nil || p.checkpoint.Compare(res.Position) < 0 {
			p.message()
		}
		res = b.append(b.stream("noise"), eventstore.Any, events(1)...)
	}
}

func filterRefusesInvalid(b *bundle) {
	for name, f := range map[string]eventstore.Filter{
		"StreamRegex": {StreamRegex: "("},
		"TypeRegex":   {TypeRegex: "(?<!x)y"},
		"Two":         {StreamRegex: "a", TypePrefixes: []string{"b"}},
	} {
		p := b.tapAll(eventstore.AllSubscription{Filter: f})
		if _, err, _ := p.next(); !errors.Is(err, eventstore.ErrInvalid) {
			b.Errorf("%s: got error %v, want ErrInvalid", name, err)
		}
	}
}
