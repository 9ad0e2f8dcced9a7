package esdbstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// resubscribeDelayMax bounds the jittered pause before a dropped
	// subscription is renewed.
	resubscribeDelayMax = 5 * time.Second
	// searchWindow is how many events the server considers before it sends a
	// checkpoint at the earliest.
	searchWindow = 32
)

// SubscribeAll implements eventstore.Subscriber.
func (s *Store) SubscribeAll(ctx context.Context, sub eventstore.AllSubscription) iter.Seq2[eventstore.Message, error] {
	after := sub.After
	filter, err := clientFilter(sub.Filter)
	return func(yield func(eventstore.Message, error) bool) {
		if err != nil {
			yield(nil, err)
			return
		}
		var from atomic.Pointer[eventstore.Position] // the watchdog looks at it too
		from.Store(after)
		s.supervise(ctx, subscription{
			name: "$all",
			open: func(ctx context.Context, c *esdb.Client) (*esdb.Subscription, error) {
				options := esdb.SubscribeToAllOptions{From: esdb.Start{}, Filter: filter}
				if filter != nil {
					options.MaxSearchWindow = searchWindow
					options.CheckpointInterval = max(1, int(sub.CheckpointEvery)/searchWindow)
				}
				if p := from.Load(); p != nil {
					options.From = esdb.Position{Commit: p.Commit, Prepare: p.Prepare}
				}
				return c.SubscribeToAll(ctx, options)
			},
			processed: func(m eventstore.Message) (fresh bool) {
				p, ok := positionOf(m)
				if !ok {
					return true
				}
				if last := from.Load(); last != nil && p.Compare(*last) <= 0 {
					return false
				}
				from.Store(&p)
				return true
			},
			behind: func(head eventstore.Position) bool {
				last := from.Load()
				return last == nil || last.Compare(head) < 0
			},
		}, yield)
	}
}

// SubscribeStream implements eventstore.Subscriber.
func (s *Store) SubscribeStream(ctx context.Context, stream string, after *uint64) iter.Seq2[eventstore.Message, error] {
	return func(yield func(eventstore.Message, error) bool) {
		if err := checkStream(stream); err != nil {
			yield(nil, err)
			return
		}
		from := after
		s.supervise(ctx, subscription{
			name: stream,
			open: func(ctx context.Context, c *esdb.Client) (*esdb.Subscription, error) {
				options := esdb.SubscribeToStreamOptions{From: esdb.Start{}}
				if from != nil {
					options.From = esdb.Revision(*from)
				}
				return c.SubscribeToStream(ctx, stream, options)
			},
			processed: func(m eventstore.Message) (fresh bool) {
				e, ok := m.(eventstore.EventAppeared)
				if !ok {
					return true
				}
				if from != nil && e.Event.Revision <= *from {
					return false
				}
				from = &e.Event.Revision
				return true
			},
		}, yield)
	}
}

func positionOf(m eventstore.Message) (eventstore.Position, bool) {
	switch m := m.(type) {
	case eventstore.EventAppeared:
		return m.Event.Position, true
	case eventstore.CheckpointReached:
		return m.Position, true
	case eventstore.CaughtUp:
	}
	return eventstore.Position{}, false
}

// subscription is what the supervisor needs to know of one.
type subscription struct {
	name string
	// open subscribes after what was processed last.
	open func(context.Context, *esdb.Client) (*esdb.Subscription, error)
	// processed notes that a message is about to be delivered; false when it
	// was delivered before.
	processed func(eventstore.Message) (fresh bool)
	// behind tells whether a silent subscription has missed something; nil
	// when that cannot be told from the log's head.
	behind func(head eventstore.Position) bool
}

// supervise delivers a subscription's messages and renews it when it drops,
// after the last message delivered, until ctx ends, the consumer stops, or the
// server says that there is nothing to follow.
func (s *Store) supervise(ctx context.Context, sub subscription, yield func(eventstore.Message, error) bool) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		yield(nil, err)
		return
	}
	defer leave()
	for attempt := 0; ; attempt++ {
		delivered, stopped, err := s.follow(ctx, sub, yield)
		switch {
		case stopped:
			return
		case ctx.Err() != nil:
			yield(nil, context.Cause(ctx))
			return
		case errors.Is(err, eventstore.ErrStreamDeleted), errors.Is(err, eventstore.ErrAccessDenied), errors.Is(err, eventstore.ErrInvalid):
			yield(nil, err)
			return
		}
		if delivered {
			attempt = 0
		}
		delay := rand.N(min(20*time.Millisecond<<min(attempt, 10), resubscribeDelayMax)) + time.Millisecond
		s.logger.WarnContext(ctx, "event store subscription dropped, renewing it", slog.String("stream", sub.name),
			slog.Duration("after", delay), slog.Any("error", err))
		if err := wait(ctx, delay); err != nil {
			yield(nil, err)
			return
		}
	}
}

// follow delivers the messages of one subscription of the client.
func (s *Store) follow(
	ctx context.Context, sub subscription, yield func(eventstore.Message, error) bool,
) (delivered, stopped bool, err error) {
	outer := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	messages, ses, err := receive(ctx, s, func(c *esdb.Client) (func() (eventstore.Message, error), func(), error) {
		opened, err := sub.open(ctx, c)
		if err != nil {
			return nil, nil, err
		}
		return func() (eventstore.Message, error) { return nextMessage(opened) }, func() { _ = opened.Close() }, nil
	})
	if err != nil {
		return false, false, translate(outer, sub.name, eventstore.Any, err)
	}
	var count atomic.Int64
	watched := make(chan struct{})
	defer func() { cancel(nil); <-watched }()
	go func() {
		defer close(watched)
		s.watch(ctx, sub, &count, cancel)
	}()
	for {
		m, err := take(ctx, messages, ses)
		if err != nil {
			return delivered, false, translate(outer, sub.name, eventstore.Any, err)
		}
		count.Add(1)
		if m == nil || !sub.processed(m) {
			continue
		}
		delivered = true
		if !yield(m, nil) {
			return true, true, nil
		}
	}
}

// watch ends a subscription that stays silent although the log has grown.
func (s *Store) watch(ctx context.Context, sub subscription, messages *atomic.Int64, cancel context.CancelCauseFunc) {
	if sub.behind == nil {
		<-ctx.Done()
		return
	}
	ticker := time.NewTicker(s.watchdog)
	defer ticker.Stop()
	seen, suspect := int64(-1), eventstore.Position{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if n := messages.Load(); n != seen {
			seen, suspect = n, eventstore.Position{}
			continue
		}
		// Silent for a whole period: dead only if what was the head a period
		// ago has still not come.
		head, ok, err := s.Head(ctx)
		switch {
		case err != nil || !ok || !sub.behind(head):
			suspect = eventstore.Position{}
		case suspect != (eventstore.Position{}):
			cancel(fmt.Errorf("%w: subscription is silent behind %s", eventstore.ErrUnavailable, suspect))
			return
		default:
			suspect = head
		}
	}
}

// nextMessage is one Recv; nil for messages that mean nothing to the port.
func nextMessage(opened *esdb.Subscription) (eventstore.Message, error) {
	e := opened.Recv()
	switch {
	case e.SubscriptionDropped != nil:
		if e.SubscriptionDropped.Error == nil {
			return nil, fmt.Errorf("%w: subscription dropped", eventstore.ErrUnavailable)
		}
		return nil, e.SubscriptionDropped.Error
	case e.EventAppeared != nil:
		return eventstore.EventAppeared{Event: recorded(e.EventAppeared)}, nil
	case e.CheckPointReached != nil:
		return eventstore.CheckpointReached{Position: eventstore.Position{
			Commit: e.CheckPointReached.Commit, Prepare: e.CheckPointReached.Prepare,
		}}, nil
	case e.CaughtUp != nil:
		return eventstore.CaughtUp{}, nil
	}
	return nil, nil
}

// clientFilter checks a filter and puts it into the client's form.
func clientFilter(f eventstore.Filter) (*esdb.SubscriptionFilter, error) {
	var out *esdb.SubscriptionFilter
	set := 0
	add := func(present bool, filter esdb.SubscriptionFilter) {
		if present {
			set, out = set+1, &filter
		}
	}
	add(len(f.StreamPrefixes) > 0, esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: f.StreamPrefixes})
	add(len(f.TypePrefixes) > 0, esdb.SubscriptionFilter{Type: esdb.EventFilterType, Prefixes: f.TypePrefixes})
	add(f.StreamRegex != "", esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Regex: f.StreamRegex})
	add(f.TypeRegex != "", esdb.SubscriptionFilter{Type: esdb.EventFilterType, Regex: f.TypeRegex})
	if set > 1 {
		return nil, fmt.Errorf("%w: a filter has one kind of condition", eventstore.ErrInvalid)
	}
	if out != nil && out.Regex != "" {
		if _, err := regexp.Compile(out.Regex); err != nil {
			return nil, fmt.Errorf("%w: filter: %w", eventstore.ErrInvalid, err)
		}
	}
	return out, nil
}
