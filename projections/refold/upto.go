package refold

import (
	"context"
	"errors"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/detail"
	"github.com/order-ledger/order-ledger/projections/history"
	"github.com/order-ledger/order-ledger/projections/journal"
)

// Expected is what the views ought to say about the orders of one id at a place in the log.
type Expected struct {
	// Stream is the stream that Order is of; empty when the log has none up to there.
	Stream string
	// Order is nil when there is nothing to show.
	Order *detail.Order
	// Unfoldable says why the fold ended early, nil when it did not.
	Unfoldable *UnfoldableError
	// History are all events, those that are not folded included.
	History []history.Line
	// Journal are the lines that the folded events post.
	Journal []journal.Line
}

// Streams returns the streams of an order id that have events. There is one, unless a foreign client
// wrote to several.
func Streams(ctx context.Context, log eventstore.Reader, orderID string) ([]string, error) {
	var found []string
	for _, c := range categories() {
		exists, err := hasEvents(ctx, log, order.StreamName(c, orderID))
		if err != nil {
			return nil, err
		}
		if exists {
			found = append(found, order.StreamName(c, orderID))
		}
	}
	return found, nil
}

// UpTo folds a stream up to and with a place in the log, and not beyond the event before revision
// before, when that is not nil: that is where the views have parked the order.
func UpTo(ctx context.Context, log eventstore.Reader, stream string, last eventstore.Position, before *uint64) (Expected, error) {
	f := newFold(stream)
	e := Expected{Stream: stream}
	calendar, err := journal.Calendar(ctx, log)
	if err != nil {
		return Expected{}, err
	}
	for s, err := range steps(ctx, log, stream) {
		if err != nil {
			return Expected{}, err
		}
		if s.event.Position.Compare(last) > 0 {
			break
		}
		entry := history.Entry{OrderID: f.id, Event: &s.event, Readable: s.err == nil}
		if s.err == nil || s.enveloped {
			entry.Metadata = &s.metadata
		}
		e.History = append(e.History, history.LineOf(&entry))
		if e.Unfoldable != nil || (before != nil && s.event.Revision >= *before) {
			continue
		}
		if !errors.As(f.apply(&s), &e.Unfoldable) {
			e.Journal = append(e.Journal, journal.LinesOf(&journal.Entry{
				OrderID: f.id, Event: &f.done[len(f.done)-1], Lines: f.posted, State: &f.state, Calendar: calendar,
			})...)
		}
	}
	e.Order = f.shown()
	return e, nil
}
