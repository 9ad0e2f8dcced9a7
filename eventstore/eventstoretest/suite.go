// Package eventstoretest is the conformance suite of the eventstore port. Every engine runs it: the
// embedded node in process, the same node behind its network protocol, and real EventStoreDB or
// KurrentDB servers. It asserts nothing that a real server would not satisfy: a log may hold system
// events and other writers' streams, positions are opaque and not dense, and what only some engines
// know is named in Features.
//
// A server that others use too, with any amount of events of theirs, comes to no harm: streams and groups have names
// that nobody else has, and are deleted in the end. The user must be allowed to read $all; without the right to make
// persistent subscriptions their tests are skipped.
package eventstoretest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
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

	// UndeletesAtOnce: an append to a soft-deleted stream makes it readable together with the append. A real server writes
	// the metadata for it a moment later: until then the stream reads as not found (KurrentDB issue 1744).
	UndeletesAtOnce bool

	// DeletesWhatExists: a soft delete may expect that the stream exists. Servers have refused it (KurrentDB issue 3151), and
	// clients of other languages do not offer it for that reason.
	DeletesWhatExists bool

	// OwnLog: each test has a log of its own, which may be read from its beginning and be left as it is. On any other
	// the suite reads only what came after its own beginning, and deletes its streams and groups when it has finished.
	OwnLog bool
}

// Admin is what an engine may offer for the life of streams. The suite tests it where the store
// implements it.
type Admin interface {
	SetStreamMetadata(ctx context.Context, stream string, expected eventstore.ExpectedRevision, metadata []byte) (eventstore.AppendResult, error)
	DeleteStream(ctx context.Context, stream string, expected eventstore.ExpectedRevision) (eventstore.Position, error)
	TombstoneStream(ctx context.Context, stream string, expected eventstore.ExpectedRevision) (eventstore.Position, error)
}

// testTimeout bounds one test, and cleanUpTimeout what it leaves to delete; they are the only clocks in the suite.
const (
	testTimeout    = 60 * time.Second
	cleanUpTimeout = 30 * time.Second
)

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
	// start is where the log ended before the test; nil when it was empty.
	start *eventstore.Position
	names map[string]struct{} // of the streams that were named

	mu sync.Mutex
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
	b := &bundle{
		T: t, ctx: ctx, store: store, features: s.features, prefix: "conformance" + uuid.NewString()[:8], names: map[string]struct{}{},
	}
	b.start = b.before()
	if !s.features.OwnLog {
		t.Cleanup(func() { s.cleanUp(b) })
	}
	return b
}

// cleanUp deletes the streams of a test through a store of its own: the test's may be closed.
func (s suite) cleanUp(b *bundle) {
	store := s.open(b.T)
	defer func() { _ = store.Close() }()
	admin, ok := store.(Admin)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), cleanUpTimeout)
	defer cancel()
	for name := range b.names {
		_, _ = admin.DeleteStream(ctx, name, eventstore.Any) // many never were, or are gone
	}
}

// stream names a stream of this test.
func (b *bundle) stream(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	name = b.prefix + "-" + name
	b.names[name] = struct{}{}
	return name
}

// undeleted waits until a stream that was soft-deleted and appended to can be read.
func (b *bundle) undeleted(stream string) {
	b.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !b.features.UndeletesAtOnce {
		_, err := collect(b.store.ReadStream(b.ctx, stream, eventstore.StreamRead{Count: 1}))
		if !errors.Is(err, eventstore.ErrStreamNotFound) {
			return
		}
		select {
		case <-tick.C:
		case <-b.ctx.Done():
			b.Fatalf("stream %s stays deleted after an append", stream)
		}
	}
}

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

// readAll reads $all, as far as it is not older than the test, and keeps the events of this test.
func (b *bundle) readAll(read eventstore.AllRead) (out []eventstore.RecordedEvent) {
	b.Helper()
	if read.Direction == forwards && read.From == nil && !b.features.OwnLog {
		read.From = b.start
	}
	for e, err := range b.store.ReadAll(b.ctx, read) {
		switch {
		case err != nil:
			b.Fatalf("read $all: %v", err)
		case read.Direction == backwards && b.start != nil && e.Position.Compare(*b.start) <= 0:
			return out
		case b.owns(e):
			out = append(out, e)
		}
	}
	return out
}

func (b *bundle) owns(e eventstore.RecordedEvent) bool {
	return len(e.Stream) > len(b.prefix) && e.Stream[:len(b.prefix)] == b.prefix
}

// before returns the position of the log's end; all that the test does later is behind it.
func (b *bundle) before() *eventstore.Position {
	b.Helper()
	head, ok, err := b.store.Head(b.ctx)
	if errors.Is(err, eventstore.ErrAccessDenied) {
		b.Skipf("the user may not read $all: %v", err)
	}
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
