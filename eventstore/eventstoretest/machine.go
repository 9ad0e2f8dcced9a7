package eventstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/eventstore"
)

// Subject is an engine that the model is compared with.
type Subject interface {
	eventstore.Store
	Admin
}

// Specimen is an engine with a log of its own, empty at first.
type Specimen struct {
	Store Subject
	// Reopen closes the log, checks that it holds a number of events, and opens it again; nil when the
	// engine cannot do it.
	Reopen func(events int) (Subject, error)
	// Close ends the engine with its store.
	Close func() error
}

// RunModel compares random histories of an engine with a model of EventStoreDB's rules.
func RunModel(t *testing.T, open func() (Specimen, error), features Features) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		specimen, err := open()
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := specimen.Close(); err != nil {
				t.Fatal(err)
			}
		}()
		m := &machine{T: t, model: model{streams: map[string]*modelStream{}}, specimen: specimen, store: specimen.Store, features: features}
		for i := range 6 {
			m.pool = append(m.pool, uuid.UUID{15: byte(i + 1)})
		}
		t.Repeat(map[string]func(*rapid.T){
			"append":    m.doAppend,
			"burst":     m.doBurst,
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

// machine runs an engine and the model side by side.
type machine struct {
	*rapid.T
	model
	specimen  Specimen
	store     Subject
	features  Features
	positions []eventstore.Position // of the model's log, as the engine gave them
	pool      []uuid.UUID
}

func drawStream(t *rapid.T) string {
	return rapid.SampledFrom(modelStreams()).Draw(t, "stream")
}

func modelStreams() []string { return []string{"a", "b", "ab"} }

func drawExpected(t *rapid.T, last int) eventstore.ExpectedRevision {
	kinds := []eventstore.ExpectedRevision{eventstore.Any, eventstore.NoStream, eventstore.StreamExists}
	for r := max(0, last-3); r <= last+1; r++ {
		kinds = append(kinds, eventstore.Revision(uint64(r)))
	}
	return rapid.SampledFrom(kinds).Draw(t, "expected")
}

// modelAppend is an append, and what came of it.
type modelAppend struct {
	stream   string
	expected eventstore.ExpectedRevision
	ids      []uuid.UUID
	got      eventstore.AppendResult
	err      error
}

func (m *machine) drawAppend(t *rapid.T, name string) *modelAppend {
	a := &modelAppend{stream: name, expected: drawExpected(t, len(m.stream(name).ids)-1)}
	a.ids = rapid.SliceOfN(rapid.SampledFrom(m.pool), 0, 4).Draw(t, "ids")
	if start := rapid.IntRange(0, len(m.stream(name).ids)).Draw(t, "repeat"); rapid.Bool().Draw(t, "retry") {
		// Half of the appends repeat what is there, perhaps with one event too many.
		a.ids = slices.Clone(m.stream(name).ids[start:])
		a.ids = a.ids[:min(len(a.ids), 4)]
		if a.expected.Number() >= -1 {
			a.expected = eventstore.NoStream
			if start > 0 {
				a.expected = eventstore.Revision(uint64(start - 1))
			}
		}
		if rapid.Bool().Draw(t, "extra") {
			a.ids = append(a.ids, rapid.SampledFrom(m.pool).Draw(t, "extra id"))
		}
	}
	return a
}

func (m *machine) perform(a *modelAppend) {
	events := make([]eventstore.EventData, len(a.ids))
	for i, id := range a.ids {
		events[i] = eventstore.EventData{ID: id, Type: "T", Data: []byte(a.stream)}
	}
	a.got, a.err = m.store.Append(context.Background(), a.stream, a.expected, events...)
}

// compareAppend has the model do what the engine did and compares the answers. The positions of what
// the model records come with adopt.
func (m *machine) compareAppend(t *rapid.T, a *modelAppend) (checkPosition func()) {
	want := m.append(a.stream, a.expected, a.ids)
	what := fmt.Sprintf("append of %d events to %s expecting %s", len(a.ids), a.stream, a.expected)
	if modelOutcome(t, a.err) != want.err {
		t.Fatalf("%s: %v, model says %q", what, a.err, want.err)
	}
	if a.err != nil || len(a.ids) == 0 && !m.features.KnowsIdempotent {
		return func() {} // what comes of an append of nothing is read, and may be hidden
	}
	return func() {
		position := eventstore.Position{}
		if want.index >= 0 {
			position = m.positions[want.index]
		}
		if a.got.Revision != uint64(want.revision) || a.got.Position != position || a.got.Idempotent != (want.known && m.features.KnowsIdempotent) {
			t.Fatalf("%s: %+v, model says %+v at %s", what, a.got, want, position)
		}
	}
}

func (m *machine) doAppend(t *rapid.T) {
	a, before := m.drawAppend(t, drawStream(t)), len(m.log)
	m.perform(a)
	check := m.compareAppend(t, a)
	m.adopt(t, before)
	check()
}

// doBurst appends to several streams at once, so that appends share groups; those to one stream follow
// each other. The positions tell the order in which the model has to follow.
func (m *machine) doBurst(t *rapid.T) {
	var queues [][]*modelAppend
	for _, name := range modelStreams() {
		var queue []*modelAppend
		for range rapid.IntRange(0, 3).Draw(t, "appends") {
			queue = append(queue, m.drawAppend(t, name))
		}
		queues = append(queues, queue)
	}
	var all sync.WaitGroup
	for _, queue := range queues {
		all.Go(func() {
			for _, a := range queue {
				m.perform(a)
			}
		})
	}
	all.Wait()
	before := len(m.log)
	var checks []func()
	for {
		next := -1
		for i, queue := range queues {
			if len(queue) > 0 && (next < 0 || queue[0].got.Position.Compare(queues[next][0].got.Position) < 0) {
				next = i // what was refused has no position and comes first
			}
		}
		if next < 0 {
			break
		}
		checks = append(checks, m.compareAppend(t, queues[next][0]))
		queues[next] = queues[next][1:]
	}
	m.adopt(t, before)
	for _, check := range checks {
		check()
	}
}

// adopt takes over the positions of the events that the model has just recorded.
func (m *machine) adopt(t *rapid.T, before int) {
	for e, err := range m.store.ReadAll(context.Background(), eventstore.AllRead{Direction: eventstore.Backwards, Count: uint64(len(m.log) - before)}) {
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
	_, err := m.store.DeleteStream(context.Background(), name, expected)
	m.adopt(t, before)
	if modelOutcome(t, err) != want {
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
	_, err := m.store.TombstoneStream(context.Background(), name, expected)
	m.adopt(t, before)
	if modelOutcome(t, err) != want {
		t.Fatalf("tombstone of %s expecting %s: %v, model says %q", name, expected, err, want)
	}
}

func (m *machine) doMetadata(t *rapid.T) {
	name := drawStream(t)
	truncate, maxCount := rapid.IntRange(0, 5).Draw(t, "$tb"), rapid.IntRange(0, 3).Draw(t, "$maxCount")
	data := fmt.Appendf(nil, `{"$tb":%d,"$maxCount":%d,"x":[1]}`, truncate, maxCount)
	_, err := m.store.SetStreamMetadata(context.Background(), name, eventstore.Any, data)
	want := ""
	before := len(m.log)
	if m.stream(name).tombstoned {
		want = "deleted"
	} else {
		m.setMetadata(name, truncate, maxCount)
	}
	m.adopt(t, before)
	if modelOutcome(t, err) != want {
		t.Fatalf("metadata of %s: %v, model says %q", name, err, want)
	}
	if want != "" {
		return
	}
	newest := eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1}
	for got, err := range m.store.ReadStream(context.Background(), "$$"+name, newest) {
		if err != nil || !bytes.Equal(got.Data, data) {
			t.Fatalf("metadata of %s: %q, %v; want %q", name, got.Data, err, data)
		}
	}
}

func (m *machine) doReopen(t *rapid.T) {
	if m.specimen.Reopen == nil || rapid.IntRange(0, 3).Draw(t, "rarely") != 0 {
		return
	}
	var err error
	if m.store, err = m.specimen.Reopen(len(m.log)); err != nil {
		t.Fatal(err)
	}
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
	compareLog(t, "read $all", m.store.ReadAll(context.Background(), read), want)
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
		for msg, err := range m.store.SubscribeAll(ctx, sub) {
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
			for e, e2 := range m.store.ReadStream(context.Background(), name, eventstore.StreamRead{Direction: d}) {
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
			if modelOutcome(t, err) != wantErr || !slices.Equal(got, want) {
				t.Fatalf("read of %s: %v, %v; model says %v, %q", name, got, err, want, wantErr)
			}
		}
	}
	head, ok, err := m.store.Head(context.Background())
	if err != nil || ok != (len(m.log) > 0) || ok && head != m.positions[len(m.log)-1] {
		t.Fatalf("head %s, %t, %v; model has %d events", head, ok, err, len(m.log))
	}
}

// modelOutcome names an error as the model does.
func modelOutcome(t *rapid.T, err error) string {
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
