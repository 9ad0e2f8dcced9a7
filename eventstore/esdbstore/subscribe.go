package esdbstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
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
	match, err := sub.Filter.Matcher()
	filter := clientFilter(sub.Filter)
	return func(yield func(eventstore.Message, error) bool) {
		if err != nil {
			yield(nil, err)
			return
		}
		var from atomic.Pointer[eventstore.Position] // the watchdog looks at it too
		from.Store(after)
		interval := max(1, int(sub.CheckpointEvery)/searchWindow)
		s.supervise(ctx, subscription{
			name: "$all",
			open: func(ctx context.Context, c *esdb.Client) (*esdb.Subscription, error) {
				options := esdb.SubscribeToAllOptions{From: esdb.Start{}, Filter: filter}
				if filter != nil {
					options.MaxSearchWindow = searchWindow
					options.CheckpointInterval = interval
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
			missed: func(ctx context.Context) (bool, error) {
				return s.missedInAll(ctx, from.Load(), match, 2*interval*searchWindow)
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
		var from atomic.Pointer[uint64] // the watchdog looks at it too
		from.Store(after)
		s.supervise(ctx, subscription{
			name: stream,
			open: func(ctx context.Context, c *esdb.Client) (*esdb.Subscription, error) {
				options := esdb.SubscribeToStreamOptions{From: esdb.Start{}}
				if last := from.Load(); last != nil {
					options.From = esdb.Revision(*last)
				}
				return c.SubscribeToStream(ctx, stream, options)
			},
			processed: func(m eventstore.Message) (fresh bool) {
				e, ok := m.(eventstore.EventAppeared)
				if !ok {
					return true
				}
				if last := from.Load(); last != nil && e.Event.Revision <= *last {
					return false
				}
				from.Store(&e.Event.Revision)
				return true
			},
			missed: func(ctx context.Context) (bool, error) { return s.missedInStream(ctx, stream, from.Load()) },
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
	// missed tells whether a silent subscription should have shown something.
	missed func(ctx context.Context) (bool, error)
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
		case isRefusal(err), errors.Is(err, eventstore.ErrInvalid):
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
	var p progress
	watched := make(chan struct{})
	defer func() { cancel(nil); <-watched }()
	go func() {
		defer close(watched)
		s.watch(ctx, sub, &p, cancel)
	}()
	for {
		p.waiting.Store(true)
		m, err := take(ctx, messages, ses)
		p.waiting.Store(false)
		if err != nil {
			return delivered, false, translate(outer, sub.name, eventstore.Any, err)
		}
		p.messages.Add(1)
		if m == nil || !sub.processed(m) {
			continue
		}
		delivered = true
		if !yield(m, nil) {
			return true, true, nil
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

// clientFilter puts a filter, which was checked, into the client's form; nil
// for one that shows everything.
func clientFilter(f eventstore.Filter) *esdb.SubscriptionFilter {
	switch {
	case len(f.StreamPrefixes) > 0:
		return &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: f.StreamPrefixes}
	case len(f.TypePrefixes) > 0:
		return &esdb.SubscriptionFilter{Type: esdb.EventFilterType, Prefixes: f.TypePrefixes}
	case f.StreamRegex != "":
		return &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Regex: f.StreamRegex}
	case f.TypeRegex != "":
		return &esdb.SubscriptionFilter{Type: esdb.EventFilterType, Regex: f.TypeRegex}
	}
	return nil
}
