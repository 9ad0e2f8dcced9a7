package projections

import (
	"context"
	"fmt"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/internal/invariant"
)

// orderState is the fold of one order's stream.
type orderState struct {
	stream   string
	category order.Category
	id       string
	state    order.State
	// registered: the stream has told what order it is. Before that there is nothing to show.
	registered bool
	// books are those of the order, and posted is the entry of the newest event.
	books  accounting.Books
	posted []accounting.Line
}

func newOrderState(stream string) *orderState {
	category, id, _ := order.ParseStreamName(stream)
	return &orderState{stream: stream, category: category, id: id}
}

// next is the revision of the event that the state waits for.
func (o *orderState) next() uint64 {
	if !o.state.Exists {
		return 0
	}
	return o.state.Revision + 1
}

// size estimates the memory of the state in bytes. Much of it grows with the number of events,
// because a state remembers their ids.
func (o *orderState) size() int {
	const base, perEvent, perPart = 2600, 64, 1000
	parts := len(o.state.Payments) + len(o.state.Refunds) + len(o.state.Disputes)
	return base + int(o.next())*perEvent + parts*perPart
}

// foldError says that an event cannot be projected, by whatever fault: its order is to be parked
// there.
type foldError struct {
	event *eventstore.RecordedEvent
	err   error
}

func (e *foldError) Error() string {
	return fmt.Sprintf("fold %s at %s@%d: %v", e.event.Type, e.event.Stream, e.event.Revision, e.err)
}

func (e *foldError) Unwrap() error { return e.err }

// apply folds one more event. After a foldError the state is spoilt unless the event could not even
// be decoded.
func (o *orderState) apply(it *item) (err error) {
	if it.err != nil {
		return &foldError{event: it.event, err: it.err}
	}
	defer func() {
		if p := recover(); p != nil {
			err = &foldError{event: it.event, err: fmt.Errorf("panic: %v", p)}
		}
	}()
	o.state.Apply(it.recorded)
	if err := o.check(it.recorded.Event); err != nil {
		return &foldError{event: it.event, err: err}
	}
	if o.posted, err = o.books.Post(it.recorded.Event, &o.state); err != nil {
		return &foldError{event: it.event, err: err}
	}
	return nil
}

// check refuses what no order of ours can be. It runs after every event, so that what a batch hides
// behind its last event is found in any batch size.
func (o *orderState) check(event order.Event) error {
	s := &o.state
	if err := s.Err(); err != nil {
		return err
	}
	if !o.registered {
		switch event.(type) {
		case order.NotificationRecorded: // the evidence may stand before what it means
			return nil
		case order.OrderRegistered:
			o.registered = true
		default:
			return fmt.Errorf("%s before OrderRegistered", event.EventType())
		}
	}
	if s.ID != o.id {
		return fmt.Errorf("the stream tells of order %q", s.ID)
	}
	if c := order.CategoryOf(s.Kind, s.IsTest); c != o.category {
		return fmt.Errorf("an order of category %q in a stream of category %q", c, o.category)
	}
	if _, ok := event.(order.NotificationRecorded); ok {
		return nil // evidence moves nothing
	}
	return invariant.Check(s)
}

// load folds a stream up to, and without, a revision. A *foldError comes with the state before the
// event that cannot be folded.
func load(ctx context.Context, log eventstore.Reader, stream string, before uint64) (*orderState, error) {
	if before == 0 {
		return newOrderState(stream), nil
	}
	o, err := replay(ctx, log, stream, eventstore.StreamRead{Count: before}, nil)
	if err == nil && o.next() != before {
		return o, fmt.Errorf("load %s: it ends at revision %d, wanted %d", stream, int64(o.next())-1, before-1)
	}
	return o, err
}

// loadUpTo folds a stream up to, and with, a place in the log. Otherwise it is load.
func loadUpTo(ctx context.Context, log eventstore.Reader, stream string, last eventstore.Position) (*orderState, error) {
	return replay(ctx, log, stream, eventstore.StreamRead{}, func(ev *eventstore.RecordedEvent) bool {
		return ev.Position.Compare(last) > 0
	})
}

func replay(
	ctx context.Context, log eventstore.Reader, stream string, read eventstore.StreamRead,
	stop func(*eventstore.RecordedEvent) bool,
) (*orderState, error) {
	o := newOrderState(stream)
	for ev, err := range log.ReadStream(ctx, stream, read) {
		if err != nil {
			return nil, fmt.Errorf("load %s: %w", stream, err)
		}
		if stop != nil && stop(&ev) {
			break
		}
		if ev.Revision != o.next() {
			return o, &foldError{event: &ev, err: fmt.Errorf("revision %d is missing", o.next())}
		}
		if err := o.apply(decodeEvent(&ev)); err != nil {
			good, goodErr := load(ctx, log, stream, ev.Revision)
			if goodErr != nil {
				return nil, goodErr
			}
			return good, err
		}
	}
	return o, nil
}
