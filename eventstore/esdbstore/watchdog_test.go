package esdbstore_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"

	"github.com/order-ledger/order-ledger/eventstore"
)

// quietServer shows the first event to every subscription and then nothing more. Its log grows up to last
// once the first subscription was served; the events after the first are of stream s when matching, else
// of another.
type quietServer struct {
	last                 uint64
	matching             bool
	subscriptions, reads atomic.Int64
	// looked is closed when the watchdog has looked at the log often enough to be sure.
	looked chan struct{}
}

const enoughLooks = 6

func (q *quietServer) stub() *stub {
	q.looked = make(chan struct{})
	return &stub{read: func(req *streams.ReadReq, call streams.Streams_ReadServer) error {
		if req.GetOptions().GetSubscription() != nil {
			return q.subscribe(req.GetOptions(), call)
		}
		if q.reads.Add(1) == enoughLooks {
			close(q.looked)
		}
		if req.GetOptions().GetStream() != nil { // its end
			return call.Send(q.event(q.last))
		}
		for p := max(1, req.GetOptions().GetAll().GetPosition().GetCommitPosition()); p <= q.last; p++ {
			if err := call.Send(q.event(p)); err != nil {
				return err
			}
		}
		return nil
	}}
}

// subscribe shows what is new at the beginning, and goes quiet.
func (q *quietServer) subscribe(o *streams.ReadReq_Options, call streams.Streams_ReadServer) error {
	next := o.GetAll().GetPosition().GetCommitPosition() + 1
	if o.GetStream() != nil {
		next = 1
		if _, ok := o.GetStream().GetRevisionOption().(*streams.ReadReq_Options_StreamOptions_Revision); ok {
			next = o.GetStream().GetRevision() + 2
		}
	}
	if err := call.Send(confirmation()); err != nil {
		return err
	}
	if q.subscriptions.Add(1) == 1 || q.matching && next <= q.last {
		if err := call.Send(q.event(next)); err != nil {
			return err
		}
	}
	<-call.Context().Done()
	return call.Context().Err()
}

func (q *quietServer) event(position uint64) *streams.ReadResp {
	e := eventAt(position)
	if position > 1 && !q.matching {
		e.GetEvent().GetEvent().StreamIdentifier.StreamName = []byte("other")
	}
	return e
}

const watchdogPeriod = 10 * time.Millisecond

// TestWatchdog_LeavesQuietFiltersAlone: servers say nothing about a few trailing events that do not match.
func TestWatchdog_LeavesQuietFiltersAlone(t *testing.T) {
	t.Parallel()
	for name, filter := range map[string]eventstore.Filter{
		"Prefix": {StreamPrefixes: []string{"s"}}, "Regex": {StreamRegex: "^s$"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := &quietServer{last: 12}
			store, ctx := connectTo(t, q.stub(), watchdogPeriod)
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			go func() { <-q.looked; cancel() }()
			for m, err := range store.SubscribeAll(ctx, eventstore.AllSubscription{Filter: filter}) {
				if e, ok := m.(eventstore.EventAppeared); ok && e.Event.Position.Commit != 1 {
					t.Errorf("event at %s", e.Event.Position)
				}
				if err != nil && ctx.Err() == nil {
					t.Fatal(err)
				}
			}
			if n := q.subscriptions.Load(); n != 1 {
				t.Errorf("a healthy subscription was renewed %d times", n-1)
			}
		})
	}
}

// TestWatchdog_RenewsWhatHasMissedSomething: an event that matches was not shown, in $all or in a stream.
func TestWatchdog_RenewsWhatHasMissedSomething(t *testing.T) {
	t.Parallel()
	follow := map[string]func(context.Context, eventstore.Store) func(func(eventstore.Message, error) bool){
		"Filtered": func(ctx context.Context, s eventstore.Store) func(func(eventstore.Message, error) bool) {
			return s.SubscribeAll(ctx, eventstore.AllSubscription{Filter: eventstore.Filter{StreamPrefixes: []string{"s"}}})
		},
		"All": func(ctx context.Context, s eventstore.Store) func(func(eventstore.Message, error) bool) {
			return s.SubscribeAll(ctx, eventstore.AllSubscription{})
		},
		"Stream": func(ctx context.Context, s eventstore.Store) func(func(eventstore.Message, error) bool) {
			return s.SubscribeStream(ctx, "s", nil)
		},
	}
	for name, open := range follow {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := &quietServer{last: 3, matching: true}
			store, ctx := connectTo(t, q.stub(), watchdogPeriod)
			want := uint64(1)
			for m, err := range open(ctx, store) {
				if err != nil {
					t.Fatal(err)
				}
				if e, ok := m.(eventstore.EventAppeared); ok {
					if e.Event.Position.Commit != want {
						t.Fatalf("event at %s, want %d", e.Event.Position, want)
					}
					if want++; want > q.last {
						break
					}
				}
			}
		})
	}
}

// TestWatchdog_WaitsForSlowConsumers: who takes long over an event has not lost the subscription.
func TestWatchdog_WaitsForSlowConsumers(t *testing.T) {
	t.Parallel()
	q := &quietServer{last: 3, matching: true}
	store, ctx := connectTo(t, q.stub(), watchdogPeriod)
	for _, err := range store.SubscribeAll(ctx, eventstore.AllSubscription{}) {
		if err != nil {
			t.Fatal(err)
		}
		slow := time.NewTimer(10 * watchdogPeriod)
		<-slow.C
		break
	}
	if n := q.subscriptions.Load(); n != 1 {
		t.Errorf("the subscription was renewed %d times while its consumer was busy", n-1)
	}
	if n := q.reads.Load(); n != 0 {
		t.Errorf("the log was looked at %d times while the consumer was busy", n)
	}
}
