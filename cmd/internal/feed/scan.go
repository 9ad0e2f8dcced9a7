package feed

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// step is one event that a scan considered, and the cursor after it. event is nil when it is not for
// this client.
type step struct {
	event    *eventstore.RecordedEvent
	envelope envelope
	at       cursor
}

// check proves that a cursor belongs to this log: the event that it names stands where it says. Where this is
// a copy of the log that the cursor comes from, it returns the cursor of the same event here.
func (f *Feed) check(ctx context.Context, c cursor) (cursor, error) {
	if c.isStart() {
		return c, nil
	}
	for e, err := range f.config.Log.ReadAll(ctx, eventstore.AllRead{From: &c.anchor, Count: 1}) {
		switch {
		case errors.Is(err, eventstore.ErrInvalid): // no such position
		case err != nil:
			return c, fmt.Errorf("look where the cursor stands: %w", err)
		case e.Position == c.anchor && past(&e).tag == c.tag:
			return c, nil
		}
	}
	return f.find(ctx, c.place)
}

// find returns the cursor after the event at a place: copies of a log have the same events in the same order.
func (f *Feed) find(ctx context.Context, p place) (cursor, error) {
	if !isFeedStream(p.stream) {
		return cursor{}, ErrCursorForeign
	}
	for e, err := range f.config.Log.ReadStream(ctx, p.stream, eventstore.StreamRead{From: &p.revision, Count: 1}) {
		switch {
		case errors.Is(err, eventstore.ErrStreamNotFound), errors.Is(err, eventstore.ErrInvalid):
		case err != nil:
			return cursor{}, fmt.Errorf("look for the cursor's event: %w", err)
		case placeOf(&e) == p:
			return past(&e), nil
		}
	}
	return cursor{}, ErrCursorForeign
}

// scan considers the log after the query's cursor, which must have been checked, up to a position.
// The step is reused.
func (f *Feed) scan(ctx context.Context, q *query, from cursor, until eventstore.Position) iter.Seq2[*step, error] {
	if q.orderID != "" {
		return f.scanOrder(ctx, q, from, until)
	}
	return func(yield func(*step, error) bool) {
		s := step{at: from}
		read := eventstore.AllRead{}
		if from.after != (eventstore.Position{}) {
			read.From = &from.after
		}
		for e, err := range f.config.Log.ReadAll(ctx, read) {
			if err != nil {
				yield(nil, err)
				return
			}
			if e.Position.Compare(from.after) <= 0 {
				continue
			}
			if e.Position.Compare(until) > 0 {
				return
			}
			s.consider(q, &e)
			if !yield(&s, nil) {
				return
			}
		}
	}
}

// scanOrder reads the order's own stream: it is short, and the log is not. An order has one stream, in
// one of the categories.
func (f *Feed) scanOrder(ctx context.Context, q *query, from cursor, until eventstore.Position) iter.Seq2[*step, error] {
	return func(yield func(*step, error) bool) {
		s := step{at: from}
		for _, c := range q.categories {
			if c == order.CategoryQuarantine {
				continue
			}
			found := false
			for e, err := range f.config.Log.ReadStream(ctx, order.StreamName(c, q.orderID), eventstore.StreamRead{}) {
				if errors.Is(err, eventstore.ErrStreamNotFound) {
					break
				}
				if err != nil {
					yield(nil, err)
					return
				}
				found = true
				if e.Position.Compare(until) > 0 {
					break
				}
				if e.Position.Compare(from.after) <= 0 {
					continue
				}
				s.consider(q, &e)
				if !yield(&s, nil) {
					return
				}
			}
			if found {
				break
			}
		}
		s.event, s.at = nil, s.at.considered(until)
		yield(&s, nil)
	}
}

// consider moves the step over an event.
func (s *step) consider(q *query, e *eventstore.RecordedEvent) {
	s.event = nil
	if !q.wantsStream(e.Stream) {
		if isFeedStream(e.Stream) {
			s.at = past(e)
		} else {
			s.at = s.at.considered(e.Position)
		}
		return
	}
	s.at = past(e)
	s.envelope = openEnvelope(e)
	if q.wants(e.Type, s.envelope.Source) {
		s.event = e
	}
}

// isFeedStream tells whether a stream's events are for the feed, for some client: such events are
// never taken out of the log, so a cursor may rest on them.
func isFeedStream(stream string) bool {
	for _, prefix := range order.StreamPrefixes() {
		if len(stream) > len(prefix) && stream[:len(prefix)] == prefix {
			return true
		}
	}
	return false
}
