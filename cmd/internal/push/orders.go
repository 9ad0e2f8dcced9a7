package push

import (
	"context"
	"errors"
	"fmt"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// ordersCached is how many orders a planner keeps between their events; others are read again.
const ordersCached = 1_000

// orders folds orders along the log, so that a body can tell what the order was after an event.
type orders struct {
	log   eventstore.Reader
	cache *lru.Cache[string, *folded]
}

// folded is an order after its event of a revision.
type folded struct {
	state order.State
	next  uint64 // revision
}

func newOrders(log eventstore.Reader) (*orders, error) {
	cache, err := lru.New[string, *folded](ordersCached)
	if err != nil {
		return nil, fmt.Errorf("cache orders: %w", err)
	}
	return &orders{log: log, cache: cache}, nil
}

// see folds an event whose order is in memory; others wait until they are asked for.
func (o *orders) see(e *eventstore.RecordedEvent) {
	f, ok := o.cache.Get(e.Stream)
	if !ok || f.next != e.Revision {
		o.cache.Remove(e.Stream)
		return
	}
	if err := f.apply(e); err != nil {
		o.cache.Remove(e.Stream)
	}
}

// after is the order right after an event, which see was given. The state is the cache's own.
func (o *orders) after(ctx context.Context, e *eventstore.RecordedEvent) (*order.State, error) {
	if f, ok := o.cache.Get(e.Stream); ok && f.next == e.Revision+1 {
		return &f.state, nil
	}
	f := &folded{}
	for earlier, err := range o.log.ReadStream(ctx, e.Stream, eventstore.StreamRead{Count: e.Revision + 1}) {
		if err != nil {
			return nil, fmt.Errorf("read stream %s: %w", e.Stream, err)
		}
		if err := f.apply(&earlier); err != nil {
			return nil, err
		}
	}
	o.cache.Add(e.Stream, f)
	return &f.state, nil
}

// apply folds one more event. What a newer program wrote changes nothing that this one knows.
func (f *folded) apply(e *eventstore.RecordedEvent) error {
	event, metadata, err := order.Decode(e.Type, e.Data, e.Metadata)
	var unknown *order.UnknownEventTypeError
	switch {
	case errors.As(err, &unknown):
	case err != nil:
		return &unreadableError{err: err}
	default:
		f.state.Apply(order.Recorded{Event: event, ID: e.ID, Revision: e.Revision, Position: e.Position.Commit, Metadata: metadata})
	}
	f.next = e.Revision + 1
	return nil
}

// unreadableError says that an event cannot be decoded.
type unreadableError struct{ err error }

func (e *unreadableError) Error() string { return e.err.Error() }
func (e *unreadableError) Unwrap() error { return e.err }
