package node_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// heldNode is a node whose write-ahead log cannot be synced while it is held, so that a test decides
// what comes into one group.
type heldNode struct {
	*node.Node
	gate sync.RWMutex
}

func openHeld(t *testing.T, opts node.Options) *heldNode {
	t.Helper()
	h := &heldNode{}
	opts.Dir = "log"
	opts.FS = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.HasSuffix(op.Path, ".log") && op.Kind == errorfs.OpFileSyncData {
			h.gate.RLock()
			defer h.gate.RUnlock()
		}
		return nil
	}))
	h.Node = open(t, opts)
	return h
}

// hold stops syncs and fills the pipeline, so that appends queue up from now on.
func (h *heldNode) hold(t *testing.T) {
	t.Helper()
	h.gate.Lock()
	for h.Stats().Queued < 2 {
		go func() { _, _ = h.Append(context.Background(), "filler", eventstore.Any, newEvent("Filler")) }()
		h.settle(t)
	}
}

// settle waits until nothing moves: either the decider waits for the disk or the queue is empty.
func (h *heldNode) settle(t *testing.T) {
	t.Helper()
	same, last := 0, -1
	waitFor(t, func() bool {
		if q := h.Stats().Queued; q != last {
			same, last = 0, q
		}
		same++
		return same > 5
	})
}

// TestNode_DecidesWithinOneGroup: appends that come into one group see each other as if each had been
// synced before the next.
func TestNode_DecidesWithinOneGroup(t *testing.T) {
	t.Parallel()
	h := openHeld(t, node.Options{})
	a, b, c := newEvent("A"), newEvent("B"), newEvent("C")
	cases := []struct {
		expected eventstore.ExpectedRevision
		events   []eventstore.EventData
		wrong    bool
		known    bool
		revision uint64
	}{
		{expected: eventstore.NoStream, events: []eventstore.EventData{a, b}, revision: 1},
		{expected: eventstore.NoStream, events: []eventstore.EventData{a, b}, known: true, revision: 1},
		{expected: eventstore.NoStream, events: []eventstore.EventData{a, c}, wrong: true},
		{expected: eventstore.Any, events: []eventstore.EventData{a}, known: true, revision: 0},
		{expected: eventstore.Any, events: []eventstore.EventData{a, c}, wrong: true},
		{expected: eventstore.Revision(0), events: []eventstore.EventData{b}, known: true, revision: 1},
		{expected: eventstore.Revision(1), events: []eventstore.EventData{c}, revision: 2},
		{expected: eventstore.Revision(0), events: []eventstore.EventData{b, c}, known: true, revision: 2},
		{expected: eventstore.StreamExists, events: []eventstore.EventData{c}, known: true, revision: 2},
		{expected: eventstore.Revision(1), events: []eventstore.EventData{newEvent("D")}, wrong: true},
	}
	h.hold(t)
	type outcome struct {
		result eventstore.AppendResult
		err    error
	}
	outcomes := make([]chan outcome, len(cases))
	for i, c := range cases {
		outcomes[i] = make(chan outcome, 1)
		queued := h.Stats().Queued
		go func() {
			res, err := h.Append(t.Context(), "s", c.expected, c.events...)
			outcomes[i] <- outcome{res, err}
		}()
		waitFor(t, func() bool { return h.Stats().Queued > queued })
	}
	h.gate.Unlock()
	positions := map[uint64]eventstore.Position{}
	for i, c := range cases {
		got := <-outcomes[i]
		var wrong *eventstore.WrongExpectedRevisionError
		if c.wrong != errors.As(got.err, &wrong) || !c.wrong && got.err != nil {
			t.Errorf("append %d: %v", i, got.err)
			continue
		}
		if c.wrong {
			continue
		}
		if got.result.Revision != c.revision || got.result.Idempotent != c.known {
			t.Errorf("append %d: %+v, want revision %d, known %t", i, got.result, c.revision, c.known)
		}
		if p, ok := positions[c.revision]; ok && p != got.result.Position {
			t.Errorf("append %d: revision %d at %s, before at %s", i, c.revision, got.result.Position, p)
		}
		if c.revision != 0 { // the position of revision 0 is nobody's answer but the repetition's
			positions[c.revision] = got.result.Position
		}
	}
	events, err := collect(h.ReadStream(t.Context(), "s", eventstore.StreamRead{}))
	if err != nil || len(events) != 3 || events[0].ID != a.ID || events[1].ID != b.ID || events[2].ID != c.ID {
		t.Errorf("stream holds %v, %v", events, err)
	}
}

// TestNode_NothingVisibleBeforeSync: while the disk holds back a sync, its events are in no read, no
// subscription and no head.
func TestNode_NothingVisibleBeforeSync(t *testing.T) {
	t.Parallel()
	h := openHeld(t, node.Options{})
	first, err := h.Append(t.Context(), "s", eventstore.Any, newEvent("Synced"))
	if err != nil {
		t.Fatal(err)
	}
	h.gate.Lock()
	done := make(chan error, 2)
	for _, stream := range []string{"s", "new"} {
		go func() {
			_, err := h.Append(context.Background(), stream, eventstore.Any, newEvent("Held"))
			done <- err
		}()
	}
	h.settle(t)
	if head, _, err := h.Head(t.Context()); err != nil || head != first.Position {
		t.Errorf("head %s, %v; synced up to %s", head, err, first.Position)
	}
	if events, err := readEverything(h.Node); err != nil || len(events) != 1 {
		t.Errorf("$all shows %d events, %v; one is synced", len(events), err)
	}
	if events, err := collect(h.ReadStream(t.Context(), "s", eventstore.StreamRead{})); err != nil || len(events) != 1 {
		t.Errorf("stream shows %d events, %v; one is synced", len(events), err)
	}
	if _, err := collect(h.ReadStream(t.Context(), "new", eventstore.StreamRead{})); !errors.Is(err, eventstore.ErrStreamNotFound) {
		t.Errorf("stream whose first event is not synced: %v", err)
	}
	seen := 0
	for m, err := range h.SubscribeAll(t.Context(), eventstore.AllSubscription{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := m.(eventstore.CaughtUp); ok {
			break
		}
		seen++
	}
	if seen != 1 {
		t.Errorf("subscription shows %d events; one is synced", seen)
	}
	h.gate.Unlock()
	if err := errors.Join(<-done, <-done); err != nil {
		t.Fatal(err)
	}
	if events, err := readEverything(h.Node); err != nil || len(events) != 3 {
		t.Errorf("$all shows %d events, %v; three are synced", len(events), err)
	}
}

// TestNode_RepeatedIDsInOneGroup: who names the end of a stream may repeat an id. The newest event is the one that it
// stands for, also when both come into one group, or into one append.
func TestNode_RepeatedIDsInOneGroup(t *testing.T) {
	t.Parallel()
	h := openHeld(t, node.Options{})
	a, b := newEvent("A"), newEvent("B")
	h.hold(t)
	appends := []struct {
		expected eventstore.ExpectedRevision
		events   []eventstore.EventData
	}{
		{eventstore.NoStream, []eventstore.EventData{a, b, b}},
		{eventstore.Revision(2), []eventstore.EventData{a}},
	}
	errs := make(chan error, len(appends))
	for _, c := range appends {
		queued := h.Stats().Queued
		go func() {
			_, err := h.Append(t.Context(), "s", c.expected, c.events...)
			errs <- err
		}()
		waitFor(t, func() bool { return h.Stats().Queued > queued })
	}
	h.gate.Unlock()
	for range appends {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[*eventstore.EventData]uint64{&a: 3, &b: 2} {
		if res, err := h.Append(t.Context(), "s", eventstore.Any, *id); err != nil || !res.Idempotent || res.Revision != want {
			t.Errorf("%s again: %+v, %v; want known revision %d", id.Type, res, err, want)
		}
	}
}
