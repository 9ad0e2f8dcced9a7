package esdbstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/esdbstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
)

// testTimeout bounds one test.
const testTimeout = time.Minute

// engine is a node whose server can go away and come back at the same address.
type engine struct {
	*testing.T
	ctx     context.Context
	node    *node.Node
	address string
	server  *protocol.Server
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	n, err := node.Open(node.Options{Dir: "log", FS: vfs.NewMem(), CacheBytes: 16 << 20, MemTableBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close node: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	t.Cleanup(cancel)
	e := &engine{T: t, ctx: ctx, node: n, address: "127.0.0.1:0"}
	e.start()
	t.Cleanup(e.stop)
	return e
}

func (e *engine) start() {
	e.Helper()
	s, err := protocol.Start(e.ctx, protocol.Options{Node: e.node, Listen: e.address})
	if err != nil {
		e.Fatal(err)
	}
	e.server, e.address = s, s.Addr().String()
}

func (e *engine) stop() {
	if err := e.server.Stop(); err != nil {
		e.Errorf("stop: %v", err)
	}
}

func (e *engine) open(change ...func(*esdbstore.Options)) *esdbstore.Store {
	e.Helper()
	o := esdbstore.Options{ConnectionString: "esdb://" + e.address + "?tls=false"}
	for _, c := range change {
		c(&o)
	}
	s, err := esdbstore.Open(o)
	if err != nil {
		e.Fatal(err)
	}
	e.Cleanup(func() {
		if err := s.Close(); err != nil {
			e.Errorf("close: %v", err)
		}
	})
	return s
}

func newEvent() eventstore.EventData {
	return eventstore.EventData{ID: uuid.New(), Type: "Tested", JSON: true, Data: []byte(`{}`)}
}

// persist appends until it is acknowledged, as a worker does that must not lose
// its event.
func (e *engine) persist(s *esdbstore.Store, stream string, expected eventstore.ExpectedRevision, event eventstore.EventData) bool {
	for e.ctx.Err() == nil {
		_, err := s.Append(e.ctx, stream, expected, event)
		if err == nil {
			return true
		}
		if !errors.Is(err, eventstore.ErrUnavailable) {
			e.Errorf("append to %s: %v", stream, err)
			return false
		}
	}
	e.Error("append never succeeded")
	return false
}

// TestRestarts_WritersAndFollowers: the server goes away and comes back while
// writers append and subscriptions follow. Nothing is lost, nothing is seen
// twice, and nobody has to be told.
func TestRestarts_WritersAndFollowers(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := e.open()
	const writers, events, restarts = 4, 60, 3
	var work sync.WaitGroup
	var written atomic.Int64
	progress := make(chan struct{}, writers*events)
	for w := range writers {
		work.Go(func() {
			for i := range events {
				expected := eventstore.NoStream
				if i > 0 {
					expected = eventstore.Revision(uint64(i - 1))
				}
				if !e.persist(s, fmt.Sprintf("order-%d", w), expected, newEvent()) {
					return
				}
				written.Add(1)
				progress <- struct{}{}
			}
		})
	}
	var all, stream []eventstore.RecordedEvent
	follow := func(out *[]eventstore.RecordedEvent, messages func(func(eventstore.Message, error) bool), want int) func() {
		return func() {
			for m, err := range messages {
				if err != nil {
					t.Errorf("subscription ended after %d events: %v", len(*out), err)
					return
				}
				if m, ok := m.(eventstore.EventAppeared); ok {
					if *out = append(*out, m.Event); len(*out) == want {
						return
					}
				}
			}
		}
	}
	filter := eventstore.Filter{StreamPrefixes: []string{"order-"}}
	work.Go(follow(&all, s.SubscribeAll(e.ctx, eventstore.AllSubscription{Filter: filter}), writers*events))
	work.Go(follow(&stream, s.SubscribeStream(e.ctx, "order-1", nil), events))
	for r := range restarts {
		for written.Load() < int64((r+1)*writers*events/(restarts+1)) {
			select {
			case <-progress:
			case <-e.ctx.Done():
				t.Fatal("writers make no progress")
			}
		}
		e.stop()
		e.start()
	}
	work.Wait()
	var want []uuid.UUID
	for recorded, err := range e.node.ReadAll(t.Context(), eventstore.AllRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(recorded.Stream, "order-") {
			want = append(want, recorded.ID)
		}
	}
	var got []uuid.UUID
	for _, event := range all {
		got = append(got, event.ID)
	}
	if len(want) != writers*events || !slices.Equal(got, want) {
		t.Errorf("the log holds %d events, want %d; the subscription saw %d of them in order: %t",
			len(want), writers*events, len(got), slices.Equal(got, want))
	}
	for i, event := range stream {
		if event.Revision != uint64(i) {
			t.Fatalf("event %d of the stream's subscription has revision %d", i, event.Revision)
		}
	}
}

// TestRestarts_Reads: a read that was under way breaks with ErrUnavailable or
// ends whole; later ones go through.
func TestRestarts_Reads(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := e.open()
	const events = 300
	for range events {
		event := newEvent()
		event.Data = make([]byte, 20_000)
		if _, err := e.node.Append(e.ctx, "s", eventstore.Any, event); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	var last error
	for recorded, err := range s.ReadStream(e.ctx, "s", eventstore.StreamRead{}) {
		if last = err; err != nil {
			break
		}
		if recorded.Revision != uint64(seen) {
			t.Fatalf("event %d has revision %d", seen, recorded.Revision)
		}
		if seen++; seen == 1 {
			go func() { _ = e.server.Stop() }()
		}
	}
	if !errors.Is(last, eventstore.ErrUnavailable) && (last != nil || seen != events) {
		t.Errorf("read across a stop: %d events, then %v", seen, last)
	}
	e.stop()
	e.start()
	seen = 0
	for _, err := range s.ReadStream(e.ctx, "s", eventstore.StreamRead{}) {
		if err != nil {
			t.Fatalf("read after the restart: %v", err)
		}
		seen++
	}
	if seen != events {
		t.Errorf("read after the restart: %d events, want %d", seen, events)
	}
}

// TestAway_LongerThanDiscovery: while there is no server, every caller is
// answered with ErrUnavailable, again and again; when it is back, they succeed.
func TestAway_LongerThanDiscovery(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := e.open()
	if !e.persist(s, "s", eventstore.Any, newEvent()) {
		return
	}
	e.stop()
	const callers, rounds = 8, 2
	var work sync.WaitGroup
	for c := range callers {
		work.Go(func() {
			for range rounds {
				var err error
				if c%2 == 0 {
					_, err = s.Append(e.ctx, "s", eventstore.Any, newEvent())
				} else {
					_, _, err = s.Head(e.ctx)
				}
				if !errors.Is(err, eventstore.ErrUnavailable) {
					t.Errorf("caller %d without a server: %v", c, err)
				}
			}
		})
	}
	work.Wait()
	e.start()
	for range callers {
		work.Go(func() { e.persist(s, "s", eventstore.Any, newEvent()) })
	}
	work.Wait()
}

// TestAway_ContextIsHonoured: a server that takes connections and says nothing
// holds no caller longer than its context, nor Close for long.
func TestAway_ContextIsHonoured(t *testing.T) {
	t.Parallel()
	var listen net.ListenConfig
	silent, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s, err := esdbstore.Open(esdbstore.Options{ConnectionString: "esdb://" + silent.Addr().String() + "?tls=false&gossipTimeout=5"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	var work sync.WaitGroup
	for _, call := range []func() error{
		func() error { _, err := s.Append(ctx, "s", eventstore.Any, newEvent()); return err },
		func() error { _, _, err := s.Head(ctx); return err },
		func() error {
			for _, err := range s.SubscribeAll(ctx, eventstore.AllSubscription{}) {
				return err
			}
			return nil
		},
	} {
		work.Go(func() {
			if err := call(); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("call to a silent server: %v", err)
			}
		})
	}
	work.Wait()
	if took := time.Since(start); took > 4*time.Second { // the client waits 5 s for gossip
		t.Errorf("callers with 50 ms were held for %s", took)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestSubscription_ResumesUnderWriters: whoever stops and resumes after the last
// message, event or checkpoint, misses nothing and sees nothing again.
func TestSubscription_ResumesUnderWriters(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	s := e.open()
	const events = 200
	var work sync.WaitGroup
	for range 2 {
		work.Go(func() {
			for i := range events / 2 {
				stream := "wanted"
				if i%2 == 1 {
					stream = "noise"
				}
				e.persist(s, stream, eventstore.Any, newEvent())
			}
		})
	}
	sub := eventstore.AllSubscription{Filter: eventstore.Filter{StreamPrefixes: []string{"wanted"}}, CheckpointEvery: 32}
	next := uint64(0)
	for rounds := 0; next < events/2 && e.ctx.Err() == nil; rounds++ {
		taken := 0
		for m, err := range s.SubscribeAll(e.ctx, sub) {
			if err != nil {
				t.Fatal(err)
			}
			switch m := m.(type) {
			case eventstore.EventAppeared:
				if m.Event.Revision != next {
					t.Fatalf("revision %d, want %d", m.Event.Revision, next)
				}
				next++
				sub.After = &m.Event.Position
			case eventstore.CheckpointReached:
				sub.After = &m.Position
			case eventstore.CaughtUp:
				continue
			}
			if taken++; taken > rounds%7 || next == events/2 {
				break
			}
		}
	}
	work.Wait()
}
