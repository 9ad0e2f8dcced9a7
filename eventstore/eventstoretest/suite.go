// Package eventstoretest is the conformance suite of the eventstore port. Every engine runs it: the
// embedded node in process, the same node behind its network protocol, and real EventStoreDB or
// KurrentDB servers. It asserts nothing that a real server would not satisfy: a log may hold system
// events and other writers' streams, positions are opaque and not dense, and what only some engines
// know is named in Features.
package eventstoretest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
)

// Features says what an engine promises beyond the port.
type Features struct {
	// KnowsIdempotent: AppendResult.Idempotent is true for a repeated append.
	KnowsIdempotent bool
	// KnowsActual: WrongExpectedRevisionError.Actual holds the stream's revision.
	KnowsActual bool
	// CheckpointsWhenCaughtUp: a live filtered subscription sends a checkpoint as soon as it has
	// considered everything, not only every so many events.
	CheckpointsWhenCaughtUp bool

	// The embedded node's known differences from a real server follow. Both do not change what a
	// correct client may rely on.

	// RemembersIDs: an append that expects any revision is recognised as a repetition however many
	// others came between; a real server remembers as many ids as its cache holds.
	RemembersIDs bool
	// OnlyWhatWasWritten: a new log is empty, and holds no system events but those of metadata, deletes
	// and persistent subscriptions. Only engines with a log of their own for each test can show it.
	OnlyWhatWasWritten bool
}

// Admin is what an engine may offer for the life of streams. The suite tests it where the store
// implements it.
type Admin interface {
	SetStreamMetadata(ctx context.Context, stream string, expected eventstore.ExpectedRevision, metadata []byte) (eventstore.AppendResult, error)
	DeleteStream(ctx context.Context, stream string, expected eventstore.ExpectedRevision) (eventstore.Position, error)
	TombstoneStream(ctx context.Context, stream string, expected eventstore.ExpectedRevision) (eventstore.Position, error)
}

// testTimeout bounds one test; it is the only clock in the suite.
const testTimeout = 60 * time.Second

// Run runs the suite. open is called once per test and returns a store that may share its log with
// others; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) eventstore.Store, features Features) {
	t.Helper()
	s := suite{open: open, features: features}
	t.Run("Append", s.testAppend)
	t.Run("ExpectedRevision", s.testExpectedRevision)
	t.Run("Idempotency", s.testIdempotency)
	t.Run("ReadStream", s.testReadStream)
	t.Run("ReadAll", s.testReadAll)
	t.Run("SubscribeAll", s.testSubscribeAll)
	t.Run("Filter", s.testFilter)
	t.Run("SubscribeStream", s.testSubscribeStream)
	t.Run("Admin", s.testAdmin)
	t.Run("Close", s.testClose)
}

type suite struct {
	open     func(t *testing.T) eventstore.Store
	features Features
}

// bundle is one test's store and context.
type bundle struct {
	*testing.T
	ctx      context.Context
	store    eventstore.Store
	features Features
	// prefix begins the name of every stream of this test, and of no other.
	prefix string
}

func (s suite) setup(t *testing.T) *bundle {
	t.Helper()
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	t.Cleanup(cancel)
	store := s.open(t)
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &bundle{T: t, ctx: ctx, store: store, features: s.features, prefix: "conformance" + uuid.NewString()[:8]}
}

// stream names a stream of this test.
func (b *bundle) stream(name string) string { return b.prefix + "-" + name }

// event makes an event with a random id.
func event(eventType, data string) eventstore.EventData {
	return eventstore.EventData{ID: uuid.New(), Type: eventType, JSON: true, Data: []byte(data), Metadata: []byte(`{"m":1}`)}
}

// events makes n numbered events.
func events(n int) []eventstore.EventData {
	out := make([]eventstore.EventData, n)
	for i := range out {
		out[i] = event("Numbered", fmt.Sprintf(`{"n":%d}`, i))
	}
	return out
}

// append appends and expects success.
func (b *bundle) append(stream string, expected eventstore.ExpectedRevision, events ...eventstore.EventData) eventstore.AppendResult {
	b.Helper()
	res, err := b.store.Append(b.ctx, stream, expected, events...)
	if err != nil {
		b.Fatalf("append to %s expecting %s: %v", stream, expected, err)
	}
	return res
}

// collect reads a sequence to its end.
func collect[T any](seq iter.Seq2[T, error]) (out []T, err error) {
	for v, err := range seq {
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}

// read reads a stream and expects success.
func (b *bundle) read(stream string, read eventstore.StreamRead) []eventstore.RecordedEvent {
	b.Helper()
	out, err := collect(b.store.ReadStream(b.ctx, stream, read))
	if err != nil {
		b.Fatalf("read %s: %v", stream, err)
	}
	return out
}

// readAll reads $all and keeps the events of this test.
func (b *bundle) readAll(read eventstore.AllRead) []eventstore.RecordedEvent {
	b.Helper()
	out, err := collect(b.store.ReadAll(b.ctx, read))
	if err != nil {
		b.Fatalf("read $all: %v", err)
	}
	return slices.DeleteFunc(out, func(e eventstore.RecordedEvent) bool { return !b.owns(e) })
}

func (b *bundle) owns(e eventstore.RecordedEvent) bool {
	return len(e.Stream) > len(b.prefix) && e.Stream[:len(b.prefix)] == b.prefix
}

// before returns the position of the log's end; all that the test does later is behind it.
func (b *bundle) before() *eventstore.Position {
	b.Helper()
	head, ok, err := b.store.Head(b.ctx)
	if err != nil {
		b.Fatalf("head: %v", err)
	}
	if !ok {
		return nil
	}
	return &head
}

func idsOf(events []eventstore.RecordedEvent) []uuid.UUID {
	out := make([]uuid.UUID, len(events))
	for i := range events {
		out[i] = events[i].ID
	}
	return out
}

func idsToAppend(events []eventstore.EventData) []uuid.UUID {
	out := make([]uuid.UUID, len(events))
	for i := range events {
		out[i] = events[i].ID
	}
	return out
}

// wantIDs compares events by id, in order.
func (b *bundle) wantIDs(what string, got []eventstore.RecordedEvent, want []eventstore.EventData) {
	b.Helper()
	if g, w := idsOf(got), idsToAppend(want); !slices.Equal(g, w) {
		b.Errorf("%s: got %d events %v, want %d events %v", what, len(g), g, len(w), w)
	}
}

// reversed returns a reversed copy.
func reversed[T any](in []T) []T {
	out := slices.Clone(in)
	slices.Reverse(out)
	return out
}

func ptr[T any](v T) *T { return &v }
