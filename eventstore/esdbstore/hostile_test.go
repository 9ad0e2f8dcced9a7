package esdbstore_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/esdbstore"
)

// stub is a server that answers as a test wants.
type stub struct {
	streams.UnimplementedStreamsServer
	read   func(*streams.ReadReq, streams.Streams_ReadServer) error
	append func(streams.Streams_AppendServer) error
}

func (s *stub) Read(req *streams.ReadReq, call streams.Streams_ReadServer) error {
	return s.read(req, call)
}

// deniedAppend refuses as a real server does: without reading what is still sent.
func deniedAppend(call streams.Streams_AppendServer) error {
	call.SetTrailer(metadata.Pairs("exception", "access-denied"))
	return status.Error(codes.PermissionDenied, "Access Denied")
}

func (s *stub) Append(call streams.Streams_AppendServer) error { return s.append(call) }

// connectTo starts a stub and opens a store on it. The client takes a server
// without the service of features for an old one.
func connectTo(t *testing.T, s *stub, watchdog time.Duration) (*esdbstore.Store, context.Context) {
	t.Helper()
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(16 << 20))
	streams.RegisterStreamsServer(server, s)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // it ends with Stop
	}()
	t.Cleanup(func() { server.Stop(); <-served })
	store, err := esdbstore.Open(esdbstore.Options{
		ConnectionString: "esdb://" + listener.Addr().String() + "?tls=false", Watchdog: watchdog,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	t.Cleanup(cancel)
	return store, ctx
}

func confirmation() *streams.ReadResp {
	return &streams.ReadResp{Content: &streams.ReadResp_Confirmation{
		Confirmation: &streams.ReadResp_SubscriptionConfirmation{SubscriptionId: uuid.NewString()},
	}}
}

func eventAt(position uint64) *streams.ReadResp {
	id := &shared.UUID{Value: &shared.UUID_String_{String_: uuid.NewString()}}
	return &streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
		Event: &streams.ReadResp_ReadEvent_RecordedEvent{
			Id: id, StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte("s")}, StreamRevision: position - 1,
			CommitPosition: position, PreparePosition: position,
			Metadata: map[string]string{"type": "T", "content-type": "application/json", "created": "17000000000000000"},
		},
		Position: &streams.ReadResp_ReadEvent_CommitPosition{CommitPosition: position},
	}}}
}

// TestHostile_PanicsBecomeErrors: messages that make the client panic cost that
// call, not the process.
func TestHostile_PanicsBecomeErrors(t *testing.T) {
	t.Parallel()
	store, ctx := connectTo(t, &stub{read: func(_ *streams.ReadReq, call streams.Streams_ReadServer) error {
		return call.Send(&streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}})
	}}, 0)
	for range 3 {
		seen := false
		for _, err := range store.ReadStream(ctx, "s", eventstore.StreamRead{}) {
			if seen = true; !errors.Is(err, eventstore.ErrUnavailable) {
				t.Errorf("read: %v, want ErrUnavailable", err)
			}
		}
		if !seen {
			t.Error("the read ended as if it were complete")
		}
	}
}

// TestHostile_SilentSubscriptionIsRenewed: a subscription that shows nothing
// although the log grows is taken for dead.
func TestHostile_SilentSubscriptionIsRenewed(t *testing.T) {
	t.Parallel()
	var head, subscriptions atomic.Uint64
	head.Store(1)
	store, ctx := connectTo(t, &stub{read: func(req *streams.ReadReq, call streams.Streams_ReadServer) error {
		if req.GetOptions().GetSubscription() == nil {
			return call.Send(eventAt(head.Load()))
		}
		if err := call.Send(confirmation()); err != nil {
			return err
		}
		if n := subscriptions.Add(1); n == 1 {
			if err := call.Send(eventAt(1)); err != nil {
				return err
			}
			head.Store(2) // which this subscription never shows
		} else if err := call.Send(eventAt(req.GetOptions().GetAll().GetPosition().GetCommitPosition() + 1)); err != nil {
			return err
		}
		<-call.Context().Done()
		return call.Context().Err()
	}}, 20*time.Millisecond)
	want := uint64(1)
	for m, err := range store.SubscribeAll(ctx, eventstore.AllSubscription{}) {
		if err != nil {
			t.Fatal(err)
		}
		e, ok := m.(eventstore.EventAppeared)
		if !ok {
			continue
		}
		if e.Event.Position.Commit != want {
			t.Fatalf("position %s, want %d", e.Event.Position, want)
		}
		if want++; want == 3 {
			return
		}
	}
}

// TestHostile_RepeatedEventsAreDropped: what was shown before a drop is not
// shown again, even by a server that repeats itself.
func TestHostile_RepeatedEventsAreDropped(t *testing.T) {
	t.Parallel()
	var reads atomic.Int32
	seenAgain := make(chan struct{})
	store, ctx := connectTo(t, &stub{read: func(_ *streams.ReadReq, call streams.Streams_ReadServer) error {
		if reads.Add(1) == 3 { // all was sent twice, and taken
			close(seenAgain)
			<-call.Context().Done()
			return call.Context().Err()
		}
		for _, m := range []*streams.ReadResp{confirmation(), eventAt(1), eventAt(1), eventAt(2), eventAt(1)} {
			if err := call.Send(m); err != nil {
				return err
			}
		}
		return status.Error(codes.Aborted, "Operation timed out: Consumer too slow to handle event while live.")
	}}, 0)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-seenAgain:
			cancel()
		case <-ctx.Done():
		}
	}()
	var seen []uint64
	for m, err := range store.SubscribeAll(ctx, eventstore.AllSubscription{}) {
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("subscription ended with %v", err)
			}
			break
		}
		if e, ok := m.(eventstore.EventAppeared); ok {
			seen = append(seen, e.Event.Position.Commit)
		}
	}
	if len(seen) != 2 || seen[0] != 1 || seen[1] != 2 {
		t.Errorf("positions %v, want 1 and 2 once each", seen)
	}
}

// TestHostile_AnswersWithoutNumbers: an append that is acknowledged without a
// position is looked up before it is believed.
func TestHostile_AnswersWithoutNumbers(t *testing.T) {
	t.Parallel()
	var stored atomic.Pointer[shared.UUID]
	var keep atomic.Bool
	s := &stub{
		append: func(call streams.Streams_AppendServer) error {
			for {
				m, err := call.Recv()
				if err != nil {
					return call.SendAndClose(&streams.AppendResp{})
				}
				if p := m.GetProposedMessage(); p != nil && keep.Load() {
					stored.Store(p.GetId())
				}
			}
		},
		read: func(_ *streams.ReadReq, call streams.Streams_ReadServer) error {
			e := eventAt(5)
			if id := stored.Load(); id != nil {
				e.GetEvent().GetEvent().Id = id
			}
			return call.Send(e)
		},
	}
	store, ctx := connectTo(t, s, 0)
	if _, err := store.Append(ctx, "s", eventstore.Any, newEvent()); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("append that was not stored: %v, want ErrUnavailable", err)
	}
	keep.Store(true)
	result, err := store.Append(ctx, "s", eventstore.Any, newEvent())
	if err != nil || result.Position.Commit != 5 || result.Revision != 4 {
		t.Errorf("append that was stored: %+v, %v", result, err)
	}
}

// TestHostile_DeniedAppends: a server that refuses an append before it has read it, and lets the stream
// be read, has refused it all the same.
func TestHostile_DeniedAppends(t *testing.T) {
	t.Parallel()
	store, ctx := connectTo(t, &stub{append: deniedAppend, read: func(_ *streams.ReadReq, call streams.Streams_ReadServer) error {
		return call.Send(eventAt(1))
	}}, 0)
	for i := range 40 {
		events := make([]eventstore.EventData, 1+i*2)
		for n := range events {
			events[n] = newEvent()
			events[n].Data = make([]byte, 12_000)
		}
		if _, err := store.Append(ctx, "s", eventstore.Any, events...); !errors.Is(err, eventstore.ErrAccessDenied) {
			t.Errorf("append %d of %d events: %v, want ErrAccessDenied", i, len(events), err)
		}
	}
}
