package eventstoretest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	forwards  = eventstore.Forwards
	backwards = eventstore.Backwards
)

func (s suite) testReadStream(t *testing.T) {
	t.Run("Ranges", func(t *testing.T) { readStreamRanges(s.setup(t)) })
	t.Run("Long", func(t *testing.T) { readStreamLong(s.setup(t)) })
	t.Run("Missing", func(t *testing.T) { readStreamMissing(s.setup(t)) })
	t.Run("StopEarly", func(t *testing.T) { readStreamStopEarly(s.setup(t)) })
	t.Run("Cancelled", func(t *testing.T) { readStreamCancelled(s.setup(t)) })
}

// readStreamRanges reads every range of a stream whose events came in appends of different sizes.
func readStreamRanges(b *bundle) {
	stream, all := b.stream("s"), events(10)
	b.append(stream, eventstore.NoStream, all[:1]...)
	b.append(stream, eventstore.Any, all[1:4]...)
	b.append(b.stream("other"), eventstore.Any, events(2)...)
	b.append(stream, eventstore.Any, all[4:9]...)
	b.append(stream, eventstore.Any, all[9:]...)

	b.wantIDs("whole, forwards", b.read(stream, eventstore.StreamRead{}), all)
	b.wantIDs("whole, backwards", b.read(stream, eventstore.StreamRead{Direction: backwards}), reversed(all))
	for from := uint64(0); from < 13; from++ {
		for _, count := range []uint64{0, 1, 2, 3, 10, 100} {
			limit := func(events []eventstore.EventData) []eventstore.EventData {
				if count == 0 {
					return events
				}
				return events[:min(count, uint64(len(events)))]
			}
			after := all[min(from, 10):]
			got := b.read(stream, eventstore.StreamRead{From: &from, Count: count})
			b.wantIDs("forwards", got, limit(after))
			// Backwards from beyond the last event starts at the last event.
			upTo := reversed(all[:min(from+1, 10)])
			got = b.read(stream, eventstore.StreamRead{Direction: backwards, From: &from, Count: count})
			b.wantIDs("backwards", got, limit(upTo))
		}
	}
}

func readStreamLong(b *bundle) {
	const size = 2500
	stream, all := b.stream("s"), events(size)
	for part := range slices.Chunk(all, 37) {
		b.append(stream, eventstore.Any, part...)
	}
	got := b.read(stream, eventstore.StreamRead{})
	b.wantIDs("forwards", got, all)
	for i, e := range got {
		if e.Revision != uint64(i) {
			b.Fatalf("event %d has revision %d", i, e.Revision)
		}
	}
	b.wantIDs("backwards", b.read(stream, eventstore.StreamRead{Direction: backwards}), reversed(all))
	b.wantIDs("tail", b.read(stream, eventstore.StreamRead{From: ptr(uint64(size - 5))}), all[size-5:])
}

func readStreamMissing(b *bundle) {
	b.append(b.stream("ab"), eventstore.Any, events(1)...)
	for _, name := range []string{"a", "abc", "missing"} {
		for _, d := range []eventstore.Direction{forwards, backwards} {
			got, err := collect(b.store.ReadStream(b.ctx, b.stream(name), eventstore.StreamRead{Direction: d}))
			if !errors.Is(err, eventstore.ErrStreamNotFound) || len(got) != 0 {
				b.Errorf("read of missing stream %q: %d events, error %v", name, len(got), err)
			}
		}
	}
}

func readStreamStopEarly(b *bundle) {
	stream, all := b.stream("s"), events(100)
	b.append(stream, eventstore.Any, all...)
	for range 20 {
		n := 0
		for _, err := range b.store.ReadStream(b.ctx, stream, eventstore.StreamRead{}) {
			if err != nil {
				b.Fatalf("read: %v", err)
			}
			if n++; n == 3 {
				break
			}
		}
	}
}

func readStreamCancelled(b *bundle) {
	b.append(b.stream("s"), eventstore.Any, events(1)...)
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	if _, err := collect(b.store.ReadStream(ctx, b.stream("s"), eventstore.StreamRead{})); !errors.Is(err, context.Canceled) {
		b.Errorf("read of a stream with a cancelled context: %v", err)
	}
	if _, err := collect(b.store.ReadAll(ctx, eventstore.AllRead{})); !errors.Is(err, context.Canceled) {
		b.Errorf("read of $all with a cancelled context: %v", err)
	}
}

func (s suite) testReadAll(t *testing.T) {
	t.Run("Bounds", func(t *testing.T) { readAllBounds(s.setup(t)) })
	t.Run("Order", func(t *testing.T) { readAllOrder(s.setup(t)) })
	t.Run("Count", func(t *testing.T) { readAllCount(s.setup(t)) })
	t.Run("Head", func(t *testing.T) { readAllHead(s.setup(t)) })
	t.Run("RefusesInvalid", func(t *testing.T) { readAllRefusesInvalid(s.setup(t)) })
}

// readAllBounds: forwards includes the position, backwards excludes it.
func readAllBounds(b *bundle) {
	start := b.before()
	all := events(9)
	b.append(b.stream("a"), eventstore.Any, all[:2]...)
	b.append(b.stream("b"), eventstore.Any, all[2:3]...)
	b.append(b.stream("a"), eventstore.Any, all[3:8]...)
	b.append(b.stream("c"), eventstore.Any, all[8:]...)
	recorded := b.readAll(eventstore.AllRead{From: start})
	b.wantIDs("forwards", recorded, all)
	for i, e := range recorded {
		b.wantIDs("forwards from", b.readAll(eventstore.AllRead{From: &e.Position}), all[i:])
		b.wantIDs("backwards from", b.readAll(eventstore.AllRead{Direction: backwards, From: &e.Position}), reversed(all[:i]))
	}
	b.wantIDs("backwards from the end", b.readAll(eventstore.AllRead{Direction: backwards}), reversed(all))
	if got := b.readAll(eventstore.AllRead{Direction: backwards, From: &eventstore.Position{}}); len(got) != 0 {
		b.Errorf("backwards from the start: %d events", len(got))
	}
	if b.features.OwnLog {
		b.wantIDs("forwards from zero", b.readAll(eventstore.AllRead{From: &eventstore.Position{}}), all)
	}
}

// readAllOrder: both directions show the same order, which is the streams' own.
func readAllOrder(b *bundle) {
	for i := range 300 {
		b.append(b.stream(string(rune('a'+i%7))), eventstore.Any, events(1+i%3)...)
	}
	got := b.readAll(eventstore.AllRead{})
	next := map[string]uint64{}
	for i, e := range got {
		if e.Revision != next[e.Stream] {
			b.Fatalf("%s@%d comes where revision %d should", e.Stream, e.Revision, next[e.Stream])
		}
		next[e.Stream]++
		if i > 0 && got[i-1].Position.Compare(e.Position) >= 0 {
			b.Fatalf("position %s is not after %s", e.Position, got[i-1].Position)
		}
	}
	back := b.readAll(eventstore.AllRead{Direction: backwards})
	if !slices.Equal(idsOf(reversed(back)), idsOf(got)) {
		b.Error("backwards is not the reverse of forwards")
	}
}

func readAllCount(b *bundle) {
	start := b.before()
	b.append(b.stream("s"), eventstore.Any, events(20)...)
	for _, count := range []uint64{1, 2, 15} {
		for _, d := range []eventstore.Direction{forwards, backwards} {
			read := eventstore.AllRead{Direction: d, Count: count}
			if d == forwards {
				read.From = start
			}
			got, err := collect(b.store.ReadAll(b.ctx, read))
			if err != nil || uint64(len(got)) != count {
				b.Errorf("count %d: %d events, %v", count, len(got), err)
			}
		}
	}
}

func readAllHead(b *bundle) {
	res := b.append(b.stream("s"), eventstore.Any, events(3)...)
	head, ok, err := b.store.Head(b.ctx)
	if err != nil || !ok || head.Compare(res.Position) < 0 {
		b.Errorf("head %s, %t, %v; want at least %s", head, ok, err, res.Position)
	}
}

func readAllRefusesInvalid(b *bundle) {
	b.append(b.stream("s"), eventstore.Any, events(1)...)
	bad := &eventstore.Position{Commit: 1, Prepare: 2}
	for _, d := range []eventstore.Direction{forwards, backwards} {
		if _, err := collect(b.store.ReadAll(b.ctx, eventstore.AllRead{Direction: d, From: bad})); !errors.Is(err, eventstore.ErrInvalid) {
			b.Errorf("position with its commit before its prepare: %v", err)
		}
	}
	for _, name := range []string{"", "$all"} {
		if _, err := collect(b.store.ReadStream(b.ctx, name, eventstore.StreamRead{})); !errors.Is(err, eventstore.ErrInvalid) {
			b.Errorf("read of stream %q: %v", name, err)
		}
	}
}
