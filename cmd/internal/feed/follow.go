package feed

import (
	"context"
	"time"

	"github.com/order-ledger/order-ledger/eventstore"
)

// beatSteps is how many events are considered between two looks at the clock while the log is read.
const beatSteps = 1_024

// follower goes through the log and then along its end.
type follower struct {
	feed *Feed
	q    *query
	tail *tail
	// at is the cursor after what was taken by send or passed over.
	at cursor
	// beat tells when a sign of life is due; nil is never.
	beat <-chan time.Time
	// send takes an event as a frame, valid until it returns.
	send func(frame []byte) error
	// idle is called before waiting for more, and with due when a sign of life is.
	idle func(due bool) error
}

// run ends with an error only: of ctx, of the log, or what send and idle answered.
func (l *follower) run(ctx context.Context) error {
	reached := l.at.after // it moves also while at is the start, which has no position
	var events []shown
	for {
		read, err := l.tail.after(reached, events)
		if err != nil {
			return err
		}
		if read.behind {
			if reached, err = l.catchUp(ctx, reached); err != nil {
				return err
			}
			continue
		}
		events = read.events
		for i := range events {
			s := &events[i]
			if l.q.wantsStream(s.stream) && l.q.wants(s.kind, s.source) {
				if err := l.send(s.frame); err != nil {
					return err
				}
			}
			l.at = s.at
		}
		full := len(events) == tailBatch
		clear(events)                          // what waits must not hold what the tail gave up
		if read.reached.Compare(reached) > 0 { // the tail may know less than the log that was read
			reached, l.at = read.reached, l.at.considered(read.reached)
		}
		if full {
			continue
		}
		if err := l.wait(ctx, read.changed); err != nil {
			return err
		}
	}
}

// wait returns when the tail has more.
func (l *follower) wait(ctx context.Context, changed <-chan struct{}) error {
	if err := l.idle(false); err != nil {
		return err
	}
	for {
		select {
		case <-changed:
			return nil
		case <-l.beat:
			if err := l.idle(true); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// catchUp reads the log up to its present end, and returns that.
func (l *follower) catchUp(ctx context.Context, after eventstore.Position) (eventstore.Position, error) {
	from := l.at
	from.after = after
	head, _, err := l.feed.config.Log.Head(ctx)
	if err != nil {
		return eventstore.Position{}, err
	}
	var frame []byte
	steps := 0
	for s, err := range l.feed.scan(ctx, l.q, from, head) {
		if err != nil {
			return eventstore.Position{}, err
		}
		if s.event != nil {
			frame = appendFrame(frame[:0], s.event, &s.envelope, s.at)
			if err := l.send(frame); err != nil {
				return eventstore.Position{}, err
			}
		}
		l.at = s.at
		if steps++; steps%beatSteps != 0 {
			continue
		}
		select {
		case <-l.beat:
			if err := l.idle(true); err != nil {
				return eventstore.Position{}, err
			}
		default:
		}
	}
	if after.Compare(head) > 0 { // another node of a cluster may know less
		return after, nil
	}
	l.at = l.at.considered(head)
	return head, nil
}
