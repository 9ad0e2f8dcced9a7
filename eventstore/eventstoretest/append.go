package eventstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
)

func (s suite) testAppend(t *testing.T) {
	t.Run("RoundTrip", func(t *testing.T) { appendRoundTrip(s.setup(t)) })
	t.Run("BigEvents", func(t *testing.T) { appendBigEvents(s.setup(t)) })
	t.Run("RefusesTooLarge", func(t *testing.T) { appendRefusesTooLarge(s.setup(t)) })
	t.Run("RefusesInvalid", func(t *testing.T) { appendRefusesInvalid(s.setup(t)) })
	t.Run("ConsecutiveInLog", func(t *testing.T) { appendConsecutiveInLog(s.setup(t)) })
	t.Run("ManyStreams", func(t *testing.T) { appendManyStreams(s.setup(t)) })
	t.Run("CancelledBefore", func(t *testing.T) { appendCancelledBefore(s.setup(t)) })
	t.Run("ReadYourWrite", func(t *testing.T) { appendReadYourWrite(s.setup(t)) })
}

func appendRoundTrip(b *bundle) {
	stream := b.stream("größe/日本 1")
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	in := []eventstore.EventData{
		{ID: uuid.New(), Type: "OrderPlaced", JSON: true, Data: []byte(`{"a":"ü"}`), Metadata: []byte(`{"$correlationId":"x"}`)},
		{ID: uuid.New(), Type: "Größe 1", Data: every, Metadata: every},
		{ID: uuid.New(), Type: "Empty"},
		{ID: uuid.New(), Type: "OnlyMetadata", JSON: true, Data: []byte("{}"), Metadata: []byte("{}")},
	}
	start := time.Now()
	first := b.append(stream, eventstore.NoStream, in[0])
	last := b.append(stream, eventstore.Revision(0), in[1:]...)
	if first.Revision != 0 || last.Revision != 3 {
		b.Errorf("revisions %d and %d, want 0 and 3", first.Revision, last.Revision)
	}
	if first.Position.Compare(last.Position) >= 0 {
		b.Errorf("positions %s and %s do not grow", first.Position, last.Position)
	}
	out := b.read(stream, eventstore.StreamRead{})
	b.wantIDs("round trip", out, in)
	for i, e := range out {
		w := in[i]
		if e.Stream != stream || e.Revision != uint64(i) || e.Type != w.Type || e.JSON != w.JSON {
			b.Errorf("event %d: got %s@%d %s json=%t", i, e.Stream, e.Revision, e.Type, e.JSON)
		}
		if !bytes.Equal(e.Data, w.Data) || !bytes.Equal(e.Metadata, w.Metadata) {
			b.Errorf("event %d: got data %q metadata %q, want %q and %q", i, e.Data, e.Metadata, w.Data, w.Metadata)
		}
		// The engine's clock may be another machine's.
		if d := e.Created.Sub(start); d < -time.Hour || d > time.Hour {
			b.Errorf("event %d: created %s, appended at %s", i, e.Created, start)
		}
	}
	if out[0].Position != first.Position || out[3].Position != last.Position {
		b.Errorf("positions %s and %s, append said %s and %s", out[0].Position, out[3].Position, first.Position, last.Position)
	}
}

// appendBigEvents goes to the limit that every engine accepts.
func appendBigEvents(b *bundle) {
	const overhead = 2 * len("Big")
	one := eventstore.EventData{ID: uuid.New(), Type: "Big", Data: bytes.Repeat([]byte{0xa5}, eventstore.MaxAppendSize-overhead)}
	b.append(b.stream("one"), eventstore.NoStream, one)
	var many []eventstore.EventData
	for i := range 16 {
		many = append(many, eventstore.EventData{
			ID: uuid.New(), Type: "Big", Data: bytes.Repeat([]byte{byte(i)}, eventstore.MaxAppendSize/16-overhead-100), Metadata: bytes.Repeat([]byte{'m'}, 100),
		})
	}
	b.append(b.stream("many"), eventstore.NoStream, many...)
	for stream, want := range map[string][]eventstore.EventData{"one": {one}, "many": many} {
		got := b.read(b.stream(stream), eventstore.StreamRead{})
		b.wantIDs(stream, got, want)
		for i := range got {
			if !bytes.Equal(got[i].Data, want[i].Data) || !bytes.Equal(got[i].Metadata, want[i].Metadata) {
				b.Errorf("%s: event %d came back changed", stream, i)
			}
		}
	}
}

func appendRefusesTooLarge(b *bundle) {
	stream := b.stream("s")
	half := func() eventstore.EventData {
		return eventstore.EventData{ID: uuid.New(), Type: "T", Data: make([]byte, eventstore.MaxAppendSize/2)}
	}
	_, err := b.store.Append(b.ctx, stream, eventstore.Any, half(), half())
	var tooLarge *eventstore.TooLargeError
	if !errors.As(err, &tooLarge) || tooLarge.Limit != eventstore.MaxAppendSize {
		b.Errorf("append of more than %d bytes: %v", eventstore.MaxAppendSize, err)
	}
	b.wantNoStream(stream)
	b.append(stream, eventstore.NoStream, half())
}

func appendRefusesInvalid(b *bundle) {
	ok := event("T", "{}")
	for name, c := range map[string]struct {
		stream string
		event  eventstore.EventData
	}{
		"EmptyStream":      {"", ok},
		"All":              {"$all", ok},
		"ControlCharacter": {b.stream("a\nb"), ok},
		"LongName":         {b.stream(strings.Repeat("x", 1024)), ok},
		"NilID":            {b.stream("s"), eventstore.EventData{Type: "T", Data: []byte("{}")}},
		"EmptyType":        {b.stream("s"), eventstore.EventData{ID: uuid.New(), Data: []byte("{}")}},
	} {
		if _, err := b.store.Append(b.ctx, c.stream, eventstore.Any, event("T", "{}"), c.event); !errors.Is(err, eventstore.ErrInvalid) {
			b.Errorf("%s: got error %v, want ErrInvalid", name, err)
		}
	}
	b.wantNoStream(b.stream("s"))
}

// appendConsecutiveInLog: writers of different streams never interleave within an append.
func appendConsecutiveInLog(b *bundle) {
	const writers, appends, size = 8, 10, 5
	start := b.before()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range appends {
				if _, err := b.store.Append(b.ctx, b.stream(fmt.Sprint(w)), eventstore.Any, events(size)...); err != nil {
					b.Errorf("append: %v", err)
				}
			}
		})
	}
	wg.Wait()
	got := b.readAll(eventstore.AllRead{From: start})
	if len(got) != writers*appends*size {
		b.Fatalf("%d events in $all, want %d", len(got), writers*appends*size)
	}
	for i, e := range got {
		if i > 0 && got[i-1].Position.Compare(e.Position) >= 0 {
			b.Fatalf("position %s is not after %s", e.Position, got[i-1].Position)
		}
		if i%size != 0 && (e.Stream != got[i-1].Stream || e.Revision != got[i-1].Revision+1) {
			b.Fatalf("event %d of $all, %s@%d, interrupts an append to %s", i, e.Stream, e.Revision, got[i-1].Stream)
		}
	}
}

func appendManyStreams(b *bundle) {
	const writers, streams = 16, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range streams {
				stream := b.stream(fmt.Sprintf("%d-%d", w, i))
				if _, err := b.store.Append(b.ctx, stream, eventstore.NoStream, event("T", `"`+stream+`"`)); err != nil {
					b.Errorf("append: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for w := range writers {
		for i := range streams {
			stream := b.stream(fmt.Sprintf("%d-%d", w, i))
			got := b.read(stream, eventstore.StreamRead{})
			if len(got) != 1 || string(got[0].Data) != `"`+stream+`"` {
				b.Fatalf("stream %s: got %v", stream, got)
			}
		}
	}
}

func appendCancelledBefore(b *bundle) {
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	stream := b.stream("s")
	if _, err := b.store.Append(ctx, stream, eventstore.Any, event("T", "{}")); !errors.Is(err, context.Canceled) {
		b.Errorf("append with a cancelled context: %v", err)
	}
	b.wantNoStream(stream)
}

// appendReadYourWrite: an acknowledged event is visible at once, everywhere.
func appendReadYourWrite(b *bundle) {
	stream := b.stream("s")
	for i := range 50 {
		res := b.append(stream, eventstore.Any, event("T", "{}"))
		got := b.read(stream, eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1})
		if len(got) != 1 || got[0].Revision != uint64(i) {
			b.Fatalf("after append %d: %v", i, got)
		}
		if head := b.before(); head == nil || head.Compare(res.Position) < 0 {
			b.Fatalf("head %v is before the acknowledged position %s", head, res.Position)
		}
		if all := b.readAll(eventstore.AllRead{From: &res.Position}); len(all) != 1 {
			b.Fatalf("after append %d: $all from its position shows %v", i, all)
		}
	}
}

func (b *bundle) wantNoStream(stream string) {
	b.Helper()
	got, err := collect(b.store.ReadStream(b.ctx, stream, eventstore.StreamRead{}))
	if !errors.Is(err, eventstore.ErrStreamNotFound) {
		b.Errorf("read %q: %d events, error %v; want ErrStreamNotFound", stream, len(got), err)
	}
}
