package esdbstore_test

import (
	"bytes"
	"context"
	"errors"
	"log"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/esdbstore"
	"github.com/order-ledger/order-ledger/eventstore/eventstoretest"
)

// lockedBuffer is written to by many goroutines.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// TestClient_LogsToSlog: what the client has to say goes to the logger, with its arguments in place, and not to the console.
func TestClient_LogsToSlog(t *testing.T) { // alone: it looks at what the process logs
	var console, ours lockedBuffer
	log.SetOutput(&console)
	defer log.SetOutput(os.Stderr)
	e := newEngine(t)
	address := e.address
	e.stop()
	s := e.open(func(o *esdbstore.Options) {
		o.Logger = slog.New(slog.NewTextHandler(&ours, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	if _, err := s.Append(e.ctx, "s", eventstore.Any, newEvent()); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("append without a server: %v", err)
	}
	if text := console.String(); text != "" {
		t.Errorf("the client writes to the console: %s", text)
	}
	text := ours.String()
	if !bytes.Contains([]byte(text), []byte("event store client")) || !bytes.Contains([]byte(text), []byte(address)) ||
		bytes.Contains([]byte(text), []byte("%!")) {
		t.Errorf("the log says\n%s\nwant what the client says, with the address %s", text, address)
	}
}

// TestOutages_LeaveNothingBehind: a connection that is lost is closed, however often that happens.
func TestOutages_LeaveNothingBehind(t *testing.T) { // alone: it counts goroutines
	e := newEngine(t)
	relay := eventstoretest.NewRelay(t, e.address)
	s := e.open(func(o *esdbstore.Options) { o.ConnectionString = "esdb://" + relay.Address + "?tls=false" })
	outage := func() {
		if !e.persist(s, "s", eventstore.Any, newEvent()) {
			t.FailNow()
		}
		relay.Cut()
	}
	outage()
	outage()
	before := runtime.NumGoroutine()
	const outages = 30
	for range outages {
		outage()
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for runtime.NumGoroutine() > before+outages/2 {
		select {
		case <-tick.C:
		case <-e.ctx.Done():
			t.Fatalf("%d goroutines, there were %d before %d outages", runtime.NumGoroutine(), before, outages)
		}
	}
}

// TestCancelled_SaysSo: who calls off what is under way, or lets its time run out, is told that and nothing else.
func TestCancelled_SaysSo(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 1)
	hold := func(ctx context.Context) error {
		reached <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	store, outer := connectTo(t, &stub{
		append: func(call streams.Streams_AppendServer) error { return hold(call.Context()) },
		read:   func(_ *streams.ReadReq, call streams.Streams_ReadServer) error { return hold(call.Context()) },
	}, 0)
	for name, call := range map[string]func(context.Context) error{
		"Append": func(ctx context.Context) error {
			_, err := store.Append(ctx, "s", eventstore.Any, newEvent())
			return err
		},
		"Delete": func(ctx context.Context) error { _, err := store.DeleteStream(ctx, "s", eventstore.Any); return err },
		"Read":   func(ctx context.Context) error { _, _, err := store.Head(ctx); return err },
		"Subscription": func(ctx context.Context) error {
			for _, err := range store.SubscribeStream(ctx, "s", nil) {
				return err
			}
			return nil
		},
	} {
		if name != "Delete" { // the stub has none, and its answer is too quick to be called off
			ctx, cancel := context.WithCancel(outer)
			go func() { <-reached; cancel() }()
			if err := call(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, eventstore.ErrUnavailable) {
				t.Errorf("%s that was called off: %v", name, err)
			}
			cancel()
		}
		ctx, cancel := context.WithDeadline(outer, time.Now().Add(-time.Second))
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, eventstore.ErrUnavailable) {
			t.Errorf("%s whose time has run out: %v", name, err)
		}
		cancel()
	}
}

// TestCluster_ReadsMoveOn: a read whose connection is refused looks for another member, as the client by itself does not.
func TestCluster_ReadsMoveOn(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	store, ctx := c.open()
	for member := range c.members {
		c.lead(member)
		if member > 0 {
			c.members[member-1].server.GracefulStop() // the client has noticed when it returns, and learns the rest from its next call
			c.kill(member - 1)
		}
		for range 3 {
			if _, _, err := store.Head(ctx); err != nil {
				t.Fatalf("read with %d of %d members: %v", len(c.members)-member, len(c.members), err)
			}
		}
	}
}

// TestStore_KeepsCommitAndPrepare: on a server where they differ both come back, and a subscription goes on after both.
func TestStore_KeepsCommitAndPrepare(t *testing.T) {
	t.Parallel()
	want := eventstore.Position{Commit: 70, Prepare: 50}
	event := func() *streams.ReadResp {
		e := eventAt(want.Commit)
		e.GetEvent().GetEvent().PreparePosition = want.Prepare
		return e
	}
	var resumed atomic.Pointer[eventstore.Position]
	store, ctx := connectTo(t, &stub{
		append: func(call streams.Streams_AppendServer) error {
			for {
				if _, err := call.Recv(); err != nil {
					break
				}
			}
			return call.SendAndClose(&streams.AppendResp{Result: &streams.AppendResp_Success_{Success: &streams.AppendResp_Success{
				CurrentRevisionOption: &streams.AppendResp_Success_CurrentRevision{CurrentRevision: 3},
				PositionOption: &streams.AppendResp_Success_Position{Position: &streams.AppendResp_Position{
					CommitPosition: want.Commit, PreparePosition: want.Prepare,
				}},
			}}})
		},
		read: func(req *streams.ReadReq, call streams.Streams_ReadServer) error {
			from := req.GetOptions().GetAll().GetPosition()
			if req.GetOptions().GetSubscription() == nil {
				return call.Send(event())
			}
			if from != nil {
				resumed.Store(&eventstore.Position{Commit: from.GetCommitPosition(), Prepare: from.GetPreparePosition()})
			}
			if err := call.Send(confirmation()); err != nil {
				return err
			}
			next := event()
			if from != nil {
				next = eventAt(want.Commit + 10)
			}
			if err := call.Send(next); err != nil {
				return err
			}
			return status.Error(codes.Aborted, "Operation timed out: Consumer too slow to handle event while live.")
		},
	}, 0)
	written, err := store.Append(ctx, "s", eventstore.Any, newEvent())
	if err != nil || written.Position != want {
		t.Errorf("append: %+v, %v; want %s", written, err, want)
	}
	if head, _, err := store.Head(ctx); err != nil || head != want {
		t.Errorf("head: %s, %v; want %s", head, err, want)
	}
	seen := 0
	for m, err := range store.SubscribeAll(ctx, eventstore.AllSubscription{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := m.(eventstore.EventAppeared); ok {
			if seen++; seen == 1 && e.Event.Position != want {
				t.Errorf("subscription shows %s, want %s", e.Event.Position, want)
			}
			if seen == 2 {
				break
			}
		}
	}
	if at := resumed.Load(); at == nil || *at != want {
		t.Errorf("the subscription was resumed after %v, want %s", at, want)
	}
}

// TestSubscription_BacksOff: a server that drops every subscription at once is not asked without a pause.
func TestSubscription_BacksOff(t *testing.T) {
	t.Parallel()
	var subscriptions atomic.Int64
	dropped := make(chan struct{})
	const drops, least = 8, 50 * time.Millisecond
	store, ctx := connectTo(t, &stub{read: func(_ *streams.ReadReq, call streams.Streams_ReadServer) error {
		if subscriptions.Add(1) == drops {
			close(dropped)
		}
		return status.Error(codes.Aborted, "Operation timed out")
	}}, 0)
	start := time.Now()
	stop := make(chan struct{})
	var follower sync.WaitGroup
	follower.Go(func() {
		for range store.SubscribeAll(ctx, eventstore.AllSubscription{}) {
			<-stop
			return
		}
	})
	<-dropped
	// The pauses are random, up to 20, 40, 80 … ms: that seven of them together are shorter has a chance of 1 in 10 million.
	if took := time.Since(start); took < least {
		t.Errorf("%d subscriptions within %s", drops, took)
	}
	close(stop)
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	follower.Wait()
}

// TestClose_WhileTheClientWorks: closing a store under calls, reads and subscriptions ends each of them with ErrClosed or
// its answer; the client, which panics when it is closed under somebody, is left first.
func TestClose_WhileTheClientWorks(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for range 50 {
		if _, err := e.node.Append(e.ctx, "s", eventstore.Any, newEvent()); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		var logged lockedBuffer
		s := e.open(func(o *esdbstore.Options) { o.Logger = slog.New(slog.NewTextHandler(&logged, nil)) })
		var work sync.WaitGroup
		busy := make(chan struct{}, 64)
		check := func(what string, err error) {
			if err != nil && !errors.Is(err, eventstore.ErrClosed) {
				t.Errorf("%s across Close: %v", what, err)
			}
		}
		for range 4 {
			work.Go(func() {
				for {
					_, err := s.Append(e.ctx, "t", eventstore.Any, newEvent())
					check("append", err)
					if err != nil {
						return
					}
					select {
					case busy <- struct{}{}:
					default:
					}
				}
			})
			work.Go(func() {
				for _, err := range s.SubscribeAll(e.ctx, eventstore.AllSubscription{}) {
					check("subscription", err)
				}
			})
			work.Go(func() {
				for ended := false; !ended; {
					for _, err := range s.ReadStream(e.ctx, "s", eventstore.StreamRead{}) {
						check("read", err)
						ended = ended || err != nil
					}
				}
			})
		}
		for range 4 {
			<-busy
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		work.Wait()
		if text := logged.String(); text != "" {
			t.Errorf("closing is not quiet: %s", text)
		}
	}
}
