package esdbstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/order-ledger/order-ledger/eventstore"
)

// progress is what the watchdog sees of a subscription.
type progress struct {
	messages atomic.Int64 // received
	// waiting says that everything received was taken by the consumer, who may take their time.
	waiting atomic.Bool
}

// watch ends a subscription that stays silent although there is something that it should have shown.
func (s *Store) watch(ctx context.Context, sub subscription, p *progress, cancel context.CancelCauseFunc) {
	ticker := time.NewTicker(s.watchdog)
	defer ticker.Stop()
	seen, suspect := int64(-1), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if n := p.messages.Load(); n != seen || !p.waiting.Load() {
			seen, suspect = n, false
			continue
		}
		// Silent for a whole period: dead only if what is missing now is missing a period later.
		missed, err := sub.missed(ctx)
		switch {
		case err != nil || !missed:
			suspect = false
		case suspect:
			cancel(fmt.Errorf("%w: the subscription is silent, and the log has gone on", eventstore.ErrUnavailable))
			return
		default:
			suspect = true
		}
	}
}

// missedInAll looks for an event behind a position that passes a filter. Servers are silent about a few
// trailing events that do not; after more than silent of them they would have sent a checkpoint.
func (s *Store) missedInAll(ctx context.Context, last *eventstore.Position, match func(*eventstore.RecordedEvent) bool, silent int) (bool, error) {
	considered := 0
	for e, err := range s.ReadAll(ctx, eventstore.AllRead{From: last, Count: uint64(silent) + 2}) { // the last itself is read, too
		if err != nil {
			return false, err
		}
		if last != nil && e.Position.Compare(*last) <= 0 {
			continue
		}
		if considered++; match == nil || match(&e) || considered > silent {
			return true, nil
		}
	}
	return false, nil
}

// missedInStream compares a stream's end with the last revision that was shown.
func (s *Store) missedInStream(ctx context.Context, stream string, last *uint64) (bool, error) {
	for e, err := range s.ReadStream(ctx, stream, eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1}) {
		switch {
		case errors.Is(err, eventstore.ErrStreamNotFound):
			return false, nil
		case errors.Is(err, eventstore.ErrStreamDeleted): // which ends a subscription
			return true, nil
		case err != nil:
			return false, err
		}
		return last == nil || e.Revision > *last, nil
	}
	return false, nil
}
