// Package refold folds one order from its stream in the log, alone: it shares no cache, no rows and
// no state with the runner. What it finds is what the views ought to say, of now or of any moment of
// the past, step by step where somebody wants to know how it came.
package refold

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/detail"
	"github.com/order-ledger/order-ledger/projections/internal/invariant"
)

// ErrNotFound says that the log has no such order, or had none at that moment.
var ErrNotFound = errors.New("the log has no such order")

// UnfoldableError says that an event cannot be folded. What was folded is the order before it, as the
// views show a parked order.
type UnfoldableError struct {
	Stream    string
	Revision  uint64
	Position  eventstore.Position
	EventID   uuid.UUID
	EventType string
	Reason    string
}

func (e *UnfoldableError) Error() string {
	return fmt.Sprintf("fold %s at %s@%d: %s", e.EventType, e.Stream, e.Revision, e.Reason)
}

// FindStream returns the stream of the order with our id, which may be a customer order, a test order
// or a payout, or ErrNotFound.
func FindStream(ctx context.Context, log eventstore.Reader, orderID string) (string, error) {
	for _, c := range categories() {
		stream := order.StreamName(c, orderID)
		exists, err := hasEvents(ctx, log, stream)
		if err != nil {
			return "", err
		}
		if exists {
			return stream, nil
		}
	}
	return "", fmt.Errorf("look for order %q: %w", orderID, ErrNotFound)
}

// categories are those that orders live in, in the order in which readers of the views look.
func categories() []order.Category {
	return []order.Category{order.CategoryOrder, order.CategoryTestOrder, order.CategoryPayout}
}

func hasEvents(ctx context.Context, log eventstore.Reader, stream string) (bool, error) {
	for _, err := range log.ReadStream(ctx, stream, eventstore.StreamRead{Count: 1}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) || errors.Is(err, eventstore.ErrStreamDeleted) || errors.Is(err, eventstore.ErrInvalid) {
			return false, nil // a name that no stream may have is no order's either
		}
		if err != nil {
			return false, fmt.Errorf("look for %s: %w", stream, err)
		}
		return true, nil
	}
	return false, nil
}

// step is one event of a stream, decoded.
type step struct {
	event    eventstore.RecordedEvent
	metadata order.Metadata
	decoded  order.Event
	err      error // why it could not be decoded
	// enveloped: metadata could be read, whatever err is.
	enveloped bool
}

// decode never fails: an event that is no event of ours has err.
func decode(ev eventstore.RecordedEvent) step {
	s := step{event: ev}
	if s.decoded, s.metadata, s.err = order.Decode(ev.Type, ev.Data, ev.Metadata); s.err != nil {
		s.enveloped = json.Unmarshal(ev.Metadata, &s.metadata) == nil
	}
	return s
}

// occurredAt and recordedAt are the log's own time where the envelope has none.
func (s *step) occurredAt() time.Time { return orElse(s.metadata.OccurredAt, s.event.Created) }
func (s *step) recordedAt() time.Time { return orElse(s.metadata.RecordedAt, s.event.Created) }

func orElse(t, fallback time.Time) time.Time {
	if t.IsZero() {
		return fallback
	}
	return t
}

func steps(ctx context.Context, log eventstore.Reader, stream string) iter.Seq2[step, error] {
	return func(yield func(step, error) bool) {
		for ev, err := range log.ReadStream(ctx, stream, eventstore.StreamRead{}) {
			if err != nil {
				yield(step{}, fmt.Errorf("read %s: %w", stream, err))
				return
			}
			if !yield(decode(ev), nil) {
				return
			}
		}
	}
}

// fold is the state of one order on the way.
type fold struct {
	stream     string
	category   order.Category
	id         string
	state      order.State
	registered bool
	// books are those of the order, and posted is the entry of the newest event.
	books  accounting.Books
	posted []accounting.Line
	// done are the events folded so far; last is the newest of them.
	done []order.Recorded
	last eventstore.RecordedEvent
}

func newFold(stream string) *fold {
	category, id, _ := order.ParseStreamName(stream)
	return &fold{stream: stream, category: category, id: id}
}

// apply folds one more event. After an *UnfoldableError the fold stands at the event before.
func (f *fold) apply(s *step) error {
	if s.err != nil {
		return f.unfoldable(s, s.err.Error())
	}
	recorded := order.Recorded{
		Event: s.decoded, ID: s.event.ID, Revision: s.event.Revision, Position: s.event.Position.Commit, Metadata: s.metadata,
	}
	if reason := f.evolve(recorded); reason != "" {
		f.state = order.State{}
		for _, good := range f.done {
			f.state.Apply(good)
		}
		return f.unfoldable(s, reason)
	}
	posted, books, err := accounting.EntriesFor(f.books, s.decoded, &f.state)
	if err != nil {
		return f.unfoldable(s, err.Error())
	}
	f.posted, f.books = posted, books
	if _, ok := s.decoded.(order.OrderRegistered); ok {
		f.registered = true
	}
	f.done, f.last = append(f.done, recorded), s.event
	return nil
}

// evolve returns why an event cannot be folded; the state is then spoilt.
func (f *fold) evolve(r order.Recorded) (reason string) {
	defer func() {
		if p := recover(); p != nil {
			reason = fmt.Sprintf("panic: %v", p)
		}
	}()
	f.state.Apply(r)
	if err := f.state.Err(); err != nil {
		return err.Error()
	}
	if !f.registered {
		switch r.Event.(type) {
		case order.NotificationRecorded: // the evidence may stand before what it means
			return ""
		case order.OrderRegistered:
		default:
			return r.Event.EventType() + " before OrderRegistered"
		}
	}
	if f.state.ID != f.id {
		return fmt.Sprintf("the stream tells of order %q", f.state.ID)
	}
	if c := order.CategoryOf(f.state.Kind, f.state.IsTest); c != f.category {
		return fmt.Sprintf("an order of category %q in a stream of category %q", c, f.category)
	}
	if _, ok := r.Event.(order.NotificationRecorded); ok {
		return "" // evidence moves nothing
	}
	if err := invariant.Check(&f.state); err != nil {
		return err.Error()
	}
	return ""
}

func (f *fold) unfoldable(s *step, reason string) *UnfoldableError {
	return &UnfoldableError{
		Stream: f.stream, Revision: s.event.Revision, Position: s.event.Position, EventID: s.event.ID,
		EventType: s.event.Type, Reason: reason,
	}
}

// shown is nil while there is nothing to show.
func (f *fold) shown() *detail.Order {
	if !f.registered {
		return nil
	}
	o := detail.Of(f.category, f.id, &f.state)
	return &o
}
