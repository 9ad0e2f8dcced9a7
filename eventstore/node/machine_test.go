package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// machine runs the node and the model side by side.
type machine struct {
	*rapid.T
	model
	fs        *vfs.MemFS
	node      *node.Node
	positions []eventstore.Position // of the model's log, as the node gave them
	pool      []uuid.UUID
}

func modelOptions(fs vfs.FS) node.Options {
	// Little memory, so that flushes, evictions and the end of the live buffer happen all the time.
	return node.Options{Dir: "log", FS: fs, MemTableBytes: 256 << 10, CacheBytes: 2 << 20, CachedHeads: 1, MaxGroupAppends: 1, LiveBufferBytes: 1 << 10}
}

// TestNode_BehavesLikeModel compares random histories with the model.
func TestNode_BehavesLikeModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{T: t, model: model{streams: map[string]*modelStream{}}, fs: vfs.NewMem()}
		for i := range 6 {
			m.pool = append(m.pool, uuid.UUID{15: byte(i + 1)})
		}
		m.open()
		defer func() {
			if err := m.node.Close(); err != nil {
				t.Fatal(err)
			}
		}()
		t.Repeat(map[string]func(*rapid.T){
			"append":    m.doAppend,
			"delete":    m.doDelete,
			"tombstone": m.doTombstone,
			"metadata":  m.doMetadata,
			"reopen":    m.doReopen,
			"readAll":   m.doReadAll,
			"subscribe": m.doSubscribe,
			"":          m.check,
		})
	})
}

func (m *machine) open() {
	var err error
	if m.node, err = node.Open(modelOptions(m.fs)); err != nil {
		m.Fatal(err)
	}
}

func drawStream(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "ab"}).Draw(t, "stream")
}

func drawExpected(t *rapid.T, last int) eventstore.ExpectedRevision {
	kinds := []eventstore.ExpectedRevision{eventstore.Any, eventstore.NoStream, eventstore.StreamExists}
	for r := max(0, last-3); r <= last+1; r++ {
		kinds = append(kinds, eventstore.Revision(uint64(r)))
	}
	return rapid.SampledFrom(kinds).Draw(t, "expected")
}

func (m *machine) doAppend(t *rapid.T) {
	name := drawStream(t)
	expected := drawExpected(t, len(m.stream(name).ids)-1)
	ids := rapid.SliceOfN(rapid.SampledFrom(m.pool), 0, 4).Draw(t, "ids")
	if start := rapid.IntRange(0, len(m.stream(name).ids)).Draw(t, "repeat"); rapid.Bool().Draw(t, "retry") {
		// Half of the appends repeat what is there, perhaps with one event too many.
		ids = slices.Clone(m.stream(name).ids[start:])
		ids = ids[:min(len(ids), 4)]
		if expected.Number() >= -1 {
			expected = eventstore.NoStream
			if start > 0 {
				expected = eventstore.Revision(uint64(start - 1))
			}
		}
		if rapid.Bool().Draw(t, "extra") {
			ids = append(ids, rapid.SampledFrom(m.pool).Draw(t, "extra id"))
		}
	}
	events := make([]eventstore.EventData, len(ids))
	for i, id := range ids {
		events[i] = eventstore.EventData{ID: id, Type: "T", Data: []byte(name)}
	}
	before := len(m.log)
	want := m.append(name, expected, ids)
	got, err := m.node.Append(context.Background(), name, expected, events...)
	m.adopt(t, before)
	if outcome(t, err) != want.err {
		t.Fatalf("append of %d events to %s expecting %s: %v, model says %q", len(ids), name, expected, err, want.err)
	}
	if err != nil {
		return
	}
	position := eventstore.Position{}
	if want.index >= 0 {
		position = m.positions[want.index]
	}
	if got.Revision != uint64(want.revision) || got.Position != position || got.Idempotent != want.known {
		t.Fatalf("append of %d events to %s expecting %s: %+v, model says %+v at %s", len(ids), name, expected, got, want, position)
	}
}

// adopt takes over the positions of the events that the model has just recorded.
func (m *machine) adopt(t *rapid.T, before int) {
	for e, err := range m.node.ReadAll(context.Background(), eventstore.AllRead{Direction: eventstore.Backwards, Count: uint64(len(m.log) - before)}) {
		if err != nil {
			t.Fatal(err)
		}
		if len(m.log) == before {
			return
		}
		m.positions = append(m.positions, e.Position)
	}
	slices.Reverse(m.positions[before:])
}

func (m *machine) doDelete(t *rapid.T) {
	name := drawStream(t)
	expected := drawExpected(t, len(m.stream(name).ids)-1)
	before := len(m.log)
	want := m.softDelete(name, expected)
	_, err := m.node.DeleteStream(context.Background(), name, expected)
	m.adopt(t, before)
	if outcome(t, err) != want {
		t.Fatalf("delete of %s expecting %s: %v, model says %q", name, expected, err, want)
	}
}

func (m *machine) doTombstone(t *rapid.T) {
	if rapid.IntRange(0, 7).Draw(t, "rarely") != 0 {
		return
	}
	name := drawStream(t)
	expected := drawExpected(t, len(m.stream(name).ids)-1)
	before := len(m.log)
	want := m.tombstone(name, expected)
	_, err := m.node.TombstoneStream(context.Background(), name, expected)
	m.adopt(t, before)
	if outcome(t, err) != want {
		t.Fatalf("tombstone of %s expecting %s: %v, model says %q", name, expected, err, want)
	}
}

func (m *machine) doMetadata(t *rapid.T) {
	name := drawStream(t)
	truncate, maxCount := rapid.IntRange(0, 5).Draw(t, "$tb"), rapid.IntRange(0, 3).Draw(t, "$maxCount")
	data := fmt.Appendf(nil, `{"$tb":%d,"$maxCount":%d,"x":[1]}`, truncate, maxCount)
	_, err := m.node.SetStreamMetadata(context.Background(), name, eventstore.Any, data)
	want := ""
	before := len(m.log)
	if m.stream(name).tombstoned {
		want = "deleted"
	} else {
		m.setMetadata(name, truncate, maxCount)
	}
	m.adopt(t, before)
	if outcome(t, err) != want {
		t.Fatalf("metadata of %s: %v, model says %q", name, err, want)
	}
	if got, err := m.node.StreamMetadata(context.Background(), name); want == "" && (err != nil || !bytes.Equal(got.Data, data)) {
		t.Fatalf("metadata of %s: %q, %v; want %q", name, got.Data, err, data)
	}
}

func (m *machine) doReopen(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "rarely") != 0 {
		return
	}
	if err := m.node.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := node.VerifyFS(context.Background(), m.fs, "log", nil)
	if err != nil || !report.OK() || report.Events != uint64(len(m.log)) {
		t.Fatalf("verify: %+v, %v; model has %d events", report, err, len(m.log))
	}
	m.open()
}

// doReadAll reads a random part of $all.
func (m *machine) doReadAll(t *rapid.T) {
	read := eventstore.AllRead{Count: uint64(rapid.IntRange(0, 5).Draw(t, "count"))}
	want, low, high := slices.Clone(m.log), 0, len(m.log)
	backwards := rapid.Bool().Draw(t, "backwards")
	if backwards {
		read.Direction = eventstore.Backwards
	}
	if len(m.log) > 0 && rapid.Bool().Draw(t, "from") {
		i := rapid.IntRange(0, len(m.log)-1).Draw(t, "at")
		read.From = &m.positions[i]
		if backwards {
			high = i
		} else {
			low = i
		}
	}
	if want = want[low:high]; backwards {
		slices.Reverse(want)
	}
	if read.Count > 0 {
		want = want[:min(len(want), int(read.Count))]
	}
	compareLog(t, "read $all", m.node.ReadAll(context.Background(), read), want)
}

// doSubscribe follows $all from a random position up to its end.
func (m *machine) doSubscribe(t *rapid.T) {
	sub, from := eventstore.AllSubscription{}, 0
	if len(m.log) > 0 {
		from = rapid.IntRange(0, len(m.log)).Draw(t, "after")
		if from > 0 {
			sub.After = &m.positions[from-1]
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	events := func(yield func(eventstore.RecordedEvent, error) bool) {
		for msg, err := range m.node.SubscribeAll(ctx, sub) {
			switch msg := msg.(type) {
			case eventstore.EventAppeared:
				if !yield(msg.Event, nil) {
					return
				}
			case eventstore.CaughtUp:
				return
			default:
				yield(eventstore.RecordedEvent{}, fmt.Errorf("unexpected message %T, error %w", msg, err))
				return
			}
		}
	}
	compareLog(t, "subscription", events, m.log[from:])
}

func compareLog(t *rapid.T, what string, seq func(func(eventstore.RecordedEvent, error) bool), want []modelEvent) {
	i := 0
	for e, err := range seq {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if i >= len(want) || e.Stream != want[i].stream || e.Revision != want[i].revision || want[i].id != uuid.Nil && e.ID != want[i].id {
			t.Fatalf("%s: event %d is %s@%d %s, model has %d: %v", what, i, e.Stream, e.Revision, e.ID, len(want), want)
		}
		i++
	}
	if i != len(want) {
		t.Fatalf("%s: %d events, model has %d", what, i, len(want))
	}
}

// check compares all streams after every step, in both directions.
func (m *machine) check(t *rapid.T) {
	for name, s := range m.streams {
		want, wantErr := m.read(name)
		for _, d := range []eventstore.Direction{eventstore.Forwards, eventstore.Backwards} {
			var got []uint64
			var err error
			for e, e2 := range m.node.ReadStream(context.Background(), name, eventstore.StreamRead{Direction: d}) {
				if err = e2; err != nil {
					break
				}
				if e.ID != s.ids[e.Revision] || e.Position != m.positions[s.positions[e.Revision]] {
					t.Fatalf("%s@%d is %s at %s", name, e.Revision, e.ID, e.Position)
				}
				got = append(got, e.Revision)
			}
			if d == eventstore.Backwards {
				slices.Reverse(got)
			}
			if outcome(t, err) != wantErr || !slices.Equal(got, want) {
				t.Fatalf("read of %s: %v, %v; model says %v, %q", name, got, err, want, wantErr)
			}
		}
	}
	head, ok, err := m.node.Head(context.Background())
	if err != nil || ok != (len(m.log) > 0) || ok && head != m.positions[len(m.log)-1] {
		t.Fatalf("head %s, %t, %v; model has %d events", head, ok, err, len(m.log))
	}
}

// outcome names an error as the model does.
func outcome(t *rapid.T, err error) string {
	var wrong *eventstore.WrongExpectedRevisionError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &wrong):
		return "wrong"
	case errors.Is(err, eventstore.ErrStreamDeleted):
		return "deleted"
	case errors.Is(err, eventstore.ErrStreamNotFound):
		return "not found"
	}
	t.Fatalf("unexpected error: %v", err)
	return ""
}
