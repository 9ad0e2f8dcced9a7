package eventstoretest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
)

// tap takes a subscription's messages one by one.
type tap struct {
	b    *bundle
	next func() (eventstore.Message, error, bool)
	stop func()
	// checkpoint is the last one seen; caughtUp counts.
	checkpoint *eventstore.Position
	caughtUp   int
}

func (b *bundle) tap(seq iter.Seq2[eventstore.Message, error]) *tap {
	next, stop := iter.Pull2(seq)
	b.Cleanup(stop)
	return &tap{b: b, next: next, stop: stop}
}

func (b *bundle) tapAll(sub eventstore.AllSubscription) *tap {
	return b.tap(b.store.SubscribeAll(b.ctx, sub))
}

// message returns the next message and keeps account of it.
func (p *tap) message() eventstore.Message {
	p.b.Helper()
	m, err, ok := p.next()
	if err != nil || !ok {
		p.b.Fatalf("subscription ended: %v", err)
	}
	switch m := m.(type) {
	case eventstore.CaughtUp:
		p.caughtUp++
	case eventstore.CheckpointReached:
		if p.checkpoint != nil && p.checkpoint.Compare(m.Position) > 0 {
			p.b.Fatalf("checkpoint %s after %s", m.Position, p.checkpoint)
		}
		p.checkpoint = &m.Position
	case eventstore.EventAppeared:
	}
	return m
}

// events takes the next n events of this test.
func (p *tap) events(n int) (out []eventstore.RecordedEvent) {
	p.b.Helper()
	for len(out) < n {
		if m, ok := p.message().(eventstore.EventAppeared); ok && p.b.owns(m.Event) {
			out = append(out, m.Event)
		}
	}
	return out
}

// live waits until the subscription has caught up once more and returns the events before that.
func (p *tap) live() (out []eventstore.RecordedEvent) {
	p.b.Helper()
	for {
		switch m := p.message().(type) {
		case eventstore.CaughtUp:
			return out
		case eventstore.EventAppeared:
			if p.b.owns(m.Event) {
				out = append(out, m.Event)
			}
		case eventstore.CheckpointReached:
		}
	}
}

func (s suite) testSubscribeAll(t *testing.T) {
	t.Run("CatchUpThenLive", func(t *testing.T) { subscribeCatchUpThenLive(s.setup(t)) })
	t.Run("AfterIsExclusive", func(t *testing.T) { subscribeAfterIsExclusive(s.setup(t)) })
	t.Run("ConcurrentWriters", func(t *testing.T) { subscribeConcurrentWriters(s.setup(t)) })
	t.Run("SlowConsumer", func(t *testing.T) { subscribeSlowConsumer(s.setup(t)) })
	t.Run("ManySubscribers", func(t *testing.T) { subscribeMany(s.setup(t)) })
	t.Run("Cancelled", func(t *testing.T) { subscribeCancelled(s.setup(t)) })
}

func subscribeCatchUpThenLive(b *bundle) {
	start := b.before()
	all := events(20)
	b.append(b.stream("a"), eventstore.Any, all[:7]...)
	b.append(b.stream("b"), eventstore.Any, all[7:10]...)
	sub := b.tapAll(eventstore.AllSubscription{After: start})
	b.wantIDs("catch-up", sub.live(), all[:10])
	b.append(b.stream("a"), eventstore.Any, all[10:11]...)
	b.wantIDs("live", sub.events(1), all[10:11])
	b.append(b.stream("c"), eventstore.Any, all[11:]...)
	live := sub.events(9)
	b.wantIDs("live, many", live, all[11:])
	recorded := b.readAll(eventstore.AllRead{From: start})
	if !slices.EqualFunc(live, recorded[11:], sameEvent) {
		b.Errorf("live events differ from those read: %v and %v", live, recorded[11:])
	}
}

func sameEvent(x, y eventstore.RecordedEvent) bool {
	return x.ID == y.ID && x.Stream == y.Stream && x.Revision == y.Revision && x.Position == y.Position && x.Type == y.Type &&
		x.JSON == y.JSON && x.Created.Equal(y.Created) && string(x.Data) == string(y.Data) && string(x.Metadata) == string(y.Metadata)
}

// subscribeAfterIsExclusive: resuming after any event shows exactly what follows it, also when the
// event is in the middle of an append.
func subscribeAfterIsExclusive(b *bundle) {
	start := b.before()
	all := events(6)
	b.append(b.stream("a"), eventstore.Any, all[:4]...)
	b.append(b.stream("b"), eventstore.Any, all[4:]...)
	for i, e := range b.readAll(eventstore.AllRead{From: start}) {
		sub := b.tapAll(eventstore.AllSubscription{After: &e.Position})
		b.wantIDs("after", sub.live(), all[i+1:])
		sub.stop()
	}
	if b.features.OwnLog {
		fromZero := b.tapAll(eventstore.AllSubscription{After: &eventstore.Position{}})
		b.wantIDs("after zero", fromZero.live(), all)
	}
}

// subscribeConcurrentWriters: subscriptions that start while others write show the log's order,
// without gap or duplicate.
func subscribeConcurrentWriters(b *bundle) {
	const writers, appends, subscribers = 4, 60, 4
	start := b.before()
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	total := 0
	for w := range writers {
		for i := range appends {
			total += size(w, i)
		}
	}
	var wg sync.WaitGroup
	seen := make([][]uuid.UUID, subscribers)
	halfway := make(chan struct{}, writers)
	for i := range seen {
		wg.Go(func() {
			if i%2 == 1 { // half of them start in the middle of the writing
				select {
				case <-halfway:
				case <-ctx.Done():
				}
			}
			for m, err := range b.store.SubscribeAll(ctx, eventstore.AllSubscription{After: start}) {
				if err != nil {
					b.Errorf("subscription: %v", err)
					return
				}
				if m, ok := m.(eventstore.EventAppeared); ok && b.owns(m.Event) {
					if seen[i] = append(seen[i], m.Event.ID); len(seen[i]) == total {
						return
					}
				}
			}
		})
	}
	for w := range writers {
		wg.Go(func() {
			for i := range appends {
				if i == appends/2 {
					halfway <- struct{}{}
				}
				if _, err := b.store.Append(ctx, b.stream(fmt.Sprint(w)), eventstore.Any, events(size(w, i))...); err != nil {
					b.Errorf("append: %v", err)
					cancel()
				}
			}
		})
	}
	wg.Wait()
	want := idsOf(b.readAll(eventstore.AllRead{From: start}))
	for i := range seen {
		if !slices.Equal(seen[i], want) {
			b.Errorf("subscriber %d: %d events, not the %d of the log in their order", i, len(seen[i]), len(want))
		}
	}
}

func size(w, i int) int { return 1 + (w+i)%3 }

// subscribeSlowConsumer: a consumer that stands still while more is written than any buffer holds
// delays nobody, loses nothing, and is told when it has caught up again.
func subscribeSlowConsumer(b *bundle) {
	const appends = 64
	start := b.before()
	sub := b.tapAll(eventstore.AllSubscription{After: start})
	sub.live()
	first := b.append(b.stream("s"), eventstore.Any, events(1)...)
	sub.events(1)
	body := make([]byte, 200<<10)
	for range appends {
		b.append(b.stream("s"), eventstore.Any, eventstore.EventData{ID: uuid.New(), Type: "Big", Data: body})
	}
	got := sub.events(appends)
	want := b.read(b.stream("s"), eventstore.StreamRead{From: ptr(first.Revision + 1)})
	if !slices.Equal(idsOf(got), idsOf(want)) {
		b.Errorf("slow consumer saw %d events, want the %d of the stream in their order", len(got), len(want))
	}
	last := event("Last", "{}")
	b.append(b.stream("s"), eventstore.Any, last)
	b.wantIDs("after the backlog", sub.events(1), []eventstore.EventData{last})
}

func subscribeMany(b *bundle) {
	const subscribers = 32
	start := b.before()
	taps := make([]*tap, subscribers)
	for i := range taps {
		taps[i] = b.tapAll(eventstore.AllSubscription{After: start})
		taps[i].live()
	}
	all := events(10)
	for i := range all {
		b.append(b.stream("s"), eventstore.Any, all[i])
	}
	for i := range taps {
		b.wantIDs("subscriber", taps[i].events(len(all)), all)
	}
}

func subscribeCancelled(b *bundle) {
	ctx, cancel := context.WithCancel(b.ctx)
	sub := b.tap(b.store.SubscribeAll(ctx, eventstore.AllSubscription{After: b.before()}))
	sub.live()
	cancel()
	for {
		_, err, ok := sub.next()
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				b.Errorf("subscription ended with %v, want the context's error", err)
			}
			return
		}
		if !ok {
			b.Fatal("subscription ended without an error")
		}
	}
}

func (s suite) testSubscribeStream(t *testing.T) {
	t.Run("CatchUpThenLive", func(t *testing.T) { subscribeStreamCatchUpThenLive(s.setup(t)) })
	t.Run("NotYetThere", func(t *testing.T) { subscribeStreamNotYetThere(s.setup(t)) })
	t.Run("AfterIsExclusive", func(t *testing.T) { subscribeStreamAfter(s.setup(t)) })
	t.Run("SlowConsumer", func(t *testing.T) { subscribeStreamSlowConsumer(s.setup(t)) })
}

func subscribeStreamCatchUpThenLive(b *bundle) {
	stream, all := b.stream("s"), events(30)
	b.append(stream, eventstore.Any, all[:10]...)
	b.append(b.stream("other"), eventstore.Any, events(5)...)
	sub := b.tap(b.store.SubscribeStream(b.ctx, stream, nil))
	b.wantIDs("catch-up", sub.live(), all[:10])
	for i := 10; i < len(all); i++ {
		b.append(b.stream("other"), eventstore.Any, events(1)...)
		b.append(stream, eventstore.Any, all[i])
	}
	b.wantIDs("live", sub.events(20), all[10:])
}

func subscribeStreamNotYetThere(b *bundle) {
	stream, all := b.stream("s"), events(3)
	sub := b.tap(b.store.SubscribeStream(b.ctx, stream, nil))
	if got := sub.live(); len(got) != 0 {
		b.Errorf("missing stream shows %v", got)
	}
	b.append(stream, eventstore.NoStream, all...)
	b.wantIDs("first events", sub.events(3), all)
}

func subscribeStreamAfter(b *bundle) {
	stream, all := b.stream("s"), events(8)
	b.append(stream, eventstore.Any, all[:5]...)
	for after := range uint64(5) {
		sub := b.tap(b.store.SubscribeStream(b.ctx, stream, &after))
		b.wantIDs("after", sub.live(), all[after+1:5])
		sub.stop()
	}
	// Events up to a revision that does not exist yet are passed over when they come.
	sub := b.tap(b.store.SubscribeStream(b.ctx, stream, ptr(uint64(6))))
	sub.live()
	b.append(stream, eventstore.Any, all[5:]...)
	b.wantIDs("after a later revision", sub.events(1), all[7:])
}

func subscribeStreamSlowConsumer(b *bundle) {
	const appends = 64
	stream := b.stream("s")
	sub := b.tap(b.store.SubscribeStream(b.ctx, stream, nil))
	sub.live()
	body := make([]byte, 200<<10)
	for range appends {
		b.append(stream, eventstore.Any, eventstore.EventData{ID: uuid.New(), Type: "Big", Data: body})
	}
	got := sub.events(appends)
	for i, e := range got {
		if e.Revision != uint64(i) {
			b.Fatalf("event %d has revision %d", i, e.Revision)
		}
	}
}
