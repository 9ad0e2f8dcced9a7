package eventstoretest

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
)

func (s suite) testExpectedRevision(t *testing.T) {
	t.Run("OneWinner", func(t *testing.T) { expectedOneWinner(s.setup(t)) })
	for _, c := range []struct {
		name     string
		given    int // events in the stream
		expected eventstore.ExpectedRevision
		ok       bool
	}{
		{"NewStreamNoStream", 0, eventstore.NoStream, true},
		{"NewStreamAny", 0, eventstore.Any, true},
		{"NewStreamStreamExists", 0, eventstore.StreamExists, false},
		{"NewStreamRevision", 0, eventstore.Revision(0), false},
		{"OldStreamNoStream", 3, eventstore.NoStream, false},
		{"OldStreamAny", 3, eventstore.Any, true},
		{"OldStreamStreamExists", 3, eventstore.StreamExists, true},
		{"OldStreamLast", 3, eventstore.Revision(2), true},
		{"OldStreamEarlier", 3, eventstore.Revision(1), false},
		{"OldStreamFirst", 3, eventstore.Revision(0), false},
		{"OldStreamLater", 3, eventstore.Revision(3), false},
		{"OldStreamMuchLater", 3, eventstore.Revision(1 << 40), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := s.setup(t)
			stream, given, added := b.stream("s"), events(c.given), events(2)
			if c.given > 0 {
				b.append(stream, eventstore.NoStream, given...)
			}
			res, err := b.store.Append(b.ctx, stream, c.expected, added...)
			if !c.ok {
				b.wantWrong(err, stream, c.expected, int64(c.given)-1)
				b.wantStream(stream, given)
				return
			}
			if err != nil || res.Revision != uint64(c.given+1) || res.Idempotent {
				b.Errorf("append: %+v, %v; want revision %d", res, err, c.given+1)
			}
			b.wantStream(stream, append(given, added...))
		})
	}
}

// wantWrong expects a *WrongExpectedRevisionError.
func (b *bundle) wantWrong(err error, stream string, expected eventstore.ExpectedRevision, actual int64) {
	b.Helper()
	var wrong *eventstore.WrongExpectedRevisionError
	if !errors.As(err, &wrong) {
		b.Errorf("append expecting %s: error %v, want wrong expected revision", expected, err)
		return
	}
	if wrong.Stream != stream || wrong.Expected != expected {
		b.Errorf("error speaks of stream %q, expected %s; want %q, %s", wrong.Stream, wrong.Expected, stream, expected)
	}
	if wrong.Actual != actual && (b.features.KnowsActual || wrong.Actual != -2) {
		b.Errorf("error says actual revision %d, want %d", wrong.Actual, actual)
	}
}

func (b *bundle) wantStream(stream string, want []eventstore.EventData) {
	b.Helper()
	if len(want) == 0 {
		b.wantNoStream(stream)
		return
	}
	b.wantIDs("stream", b.read(stream, eventstore.StreamRead{}), want)
}

// expectedOneWinner: of many writers that expect the same revision exactly one succeeds.
func expectedOneWinner(b *bundle) {
	const rounds, writers = 10, 8
	stream := b.stream("s")
	expected := eventstore.NoStream
	for round := range rounds {
		var mu sync.Mutex
		var wg sync.WaitGroup
		won := 0
		for range writers {
			wg.Go(func() {
				_, err := b.store.Append(b.ctx, stream, expected, event("T", "{}"))
				var wrong *eventstore.WrongExpectedRevisionError
				if err != nil && !errors.As(err, &wrong) {
					b.Errorf("append: %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				}
			})
		}
		wg.Wait()
		if won != 1 {
			b.Fatalf("round %d: %d writers won, want 1", round, won)
		}
		expected = eventstore.Revision(uint64(round))
	}
	if got := b.read(stream, eventstore.StreamRead{}); len(got) != rounds {
		b.Errorf("%d events in the stream, want %d", len(got), rounds)
	}
}

// outcome of a repeated or partly repeated append.
type outcome int

const (
	written outcome = iota
	known           // the answer is the original's
	wrong
	gone // the stream is deleted
)

// testIdempotency goes through the decision table of repeated event ids, on a stream that holds A and
// B from one append.
func (s suite) testIdempotency(t *testing.T) {
	for _, c := range []struct {
		name     string
		expected eventstore.ExpectedRevision
		ids      string
		want     outcome
		revision uint64 // of the answer
	}{
		{"NoStreamWhole", eventstore.NoStream, "AB", known, 1},
		{"NoStreamPrefix", eventstore.NoStream, "A", known, 0},
		{"NoStreamFromSecond", eventstore.NoStream, "B", wrong, 0},
		{"NoStreamNew", eventstore.NoStream, "C", wrong, 0},
		{"NoStreamLaterDiffers", eventstore.NoStream, "AC", wrong, 0},
		{"NoStreamLonger", eventstore.NoStream, "ABC", wrong, 0},
		{"NoStreamSwapped", eventstore.NoStream, "BA", wrong, 0},
		{"NoStreamNothing", eventstore.NoStream, "", wrong, 0},
		{"EarlierSame", eventstore.Revision(0), "B", known, 1},
		{"EarlierOther", eventstore.Revision(0), "A", wrong, 0},
		{"EarlierLonger", eventstore.Revision(0), "BC", wrong, 0},
		{"EarlierNothing", eventstore.Revision(0), "", wrong, 0},
		{"LastNew", eventstore.Revision(1), "C", written, 2},
		{"LastRepeatsID", eventstore.Revision(1), "A", written, 2},
		{"LastNothing", eventstore.Revision(1), "", written, 1},
		{"LaterSame", eventstore.Revision(2), "A", wrong, 0},
		{"AnyWhole", eventstore.Any, "AB", known, 1},
		{"AnyFirst", eventstore.Any, "A", known, 0},
		{"AnySecond", eventstore.Any, "B", known, 1},
		{"AnyNew", eventstore.Any, "C", written, 2},
		{"AnyLaterUnknown", eventstore.Any, "AC", wrong, 0},
		{"AnyLonger", eventstore.Any, "ABC", wrong, 0},
		{"AnyFirstUnknown", eventstore.Any, "CA", written, 3},
		{"AnyNothing", eventstore.Any, "", written, 1},
		{"StreamExistsWhole", eventstore.StreamExists, "AB", known, 1},
		{"StreamExistsNew", eventstore.StreamExists, "C", written, 2},
		{"StreamExistsLaterUnknown", eventstore.StreamExists, "AC", wrong, 0},
	} {
		t.Run(c.name, func(t *testing.T) { idempotencyCase(s.setup(t), c.expected, c.ids, c.want, c.revision) })
	}
	t.Run("OtherStream", func(t *testing.T) { idempotencyOtherStream(s.setup(t)) })
	t.Run("ConcurrentRetries", func(t *testing.T) { idempotencyConcurrentRetries(s.setup(t)) })
	t.Run("AcrossAppends", func(t *testing.T) { idempotencyAcrossAppends(s.setup(t)) })
}

func idempotencyCase(b *bundle, expected eventstore.ExpectedRevision, letters string, want outcome, revision uint64) {
	stream := b.stream("s")
	byLetter := map[rune]eventstore.EventData{'A': event("A", "{}"), 'B': event("B", "{}"), 'C': event("C", "{}")}
	given := []eventstore.EventData{byLetter['A'], byLetter['B']}
	b.append(stream, eventstore.NoStream, given...)
	original := b.read(stream, eventstore.StreamRead{})

	var again []eventstore.EventData
	for _, l := range letters {
		again = append(again, byLetter[l])
	}
	res, err := b.store.Append(b.ctx, stream, expected, again...)
	switch want {
	case gone:
		b.Fatal("no stream is deleted here")
	case wrong:
		b.wantWrong(err, stream, expected, 1)
		b.wantStream(stream, given)
	case known:
		if err != nil || res.Revision != revision || res.Position != original[revision].Position {
			b.Errorf("repeated append: %+v, %v; want revision %d at %s", res, err, revision, original[revision].Position)
		}
		if !res.Idempotent && b.features.KnowsIdempotent {
			b.Error("repeated append is not reported as idempotent")
		}
		b.wantStream(stream, given)
	case written:
		if err != nil || res.Revision != revision || res.Idempotent {
			b.Errorf("append: %+v, %v; want revision %d", res, err, revision)
		}
		b.wantStream(stream, append(slices.Clone(given), again...))
	}
}

// idempotencyOtherStream: ids are unique within a stream only.
func idempotencyOtherStream(b *bundle) {
	e := event("T", "{}")
	for _, expected := range []eventstore.ExpectedRevision{eventstore.NoStream, eventstore.Any} {
		for _, name := range []string{"one", "two"} {
			stream := b.stream(name + expected.String())
			if res := b.append(stream, expected, e); res.Revision != 0 || res.Idempotent {
				b.Errorf("append to %s: %+v", stream, res)
			}
			b.wantStream(stream, []eventstore.EventData{e})
		}
	}
}

// idempotencyConcurrentRetries: the same append many times at once is written once, and every answer
// is the original's.
func idempotencyConcurrentRetries(b *bundle) {
	for _, expected := range []eventstore.ExpectedRevision{eventstore.NoStream, eventstore.Any} {
		stream, batch := b.stream(expected.String()), events(3)
		results := make([]eventstore.AppendResult, 8)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				var err error
				if results[i], err = b.store.Append(b.ctx, stream, expected, batch...); err != nil {
					b.Errorf("append expecting %s: %v", expected, err)
				}
			})
		}
		wg.Wait()
		for _, r := range results {
			if r.Revision != 2 || r.Position != results[0].Position {
				b.Errorf("answers differ: %+v and %+v", r, results[0])
			}
		}
		b.wantStream(stream, batch)
	}
}

// idempotencyAcrossAppends: what is repeated may have come in several appends.
func idempotencyAcrossAppends(b *bundle) {
	stream, all := b.stream("s"), events(7)
	b.append(stream, eventstore.NoStream, all[:2]...)
	b.append(stream, eventstore.Revision(1), all[2:3]...)
	b.append(stream, eventstore.Revision(2), all[3:]...)
	for from := range all {
		for to := from + 1; to <= len(all); to++ {
			expected := eventstore.NoStream
			if from > 0 {
				expected = eventstore.Revision(uint64(from - 1))
			}
			for _, expected := range []eventstore.ExpectedRevision{expected, eventstore.Any} {
				if res := b.append(stream, expected, all[from:to]...); res.Revision != uint64(to-1) {
					b.Errorf("events %d to %d again, expecting %s: revision %d", from, to, expected, res.Revision)
				}
			}
		}
	}
	fresh := slices.Clone(all[5:])
	fresh[1].ID = uuid.New()
	_, err := b.store.Append(b.ctx, stream, eventstore.Revision(4), fresh...)
	b.wantWrong(err, stream, eventstore.Revision(4), 6)
	b.wantStream(stream, all)
}
