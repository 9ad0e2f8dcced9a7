package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/history"
	"github.com/order-ledger/order-ledger/projections/journal"
	"github.com/order-ledger/order-ledger/projections/parked"
	"github.com/order-ledger/order-ledger/projections/quarantine"
	"github.com/order-ledger/order-ledger/projections/settlements"
)

// folder turns the items of the feed into batches for the writer. One goroutine owns it.
type folder struct {
	cfg    *Config
	log    *slog.Logger
	budget *semaphore.Weighted
	status *statusBoard

	cache   *stateCache
	parked  map[string]*parked.Order
	verdict *verdict
	// calendar says whose books an entry is in, and which periods are closed.
	calendar *accounting.Calendar
	// seen is the position of the newest item; what is not after it was shown twice.
	seen checkpoint.Checkpoint

	pending *batch
	// spare brings back the memory of audit trails that were written.
	spare <-chan *history.Rows
}

// run folds what comes in and hands a sealed batch to out for each token of free. While the writer is
// busy the batch grows: it holds one event when live and thousands when behind.
func (f *folder) run(ctx context.Context, in <-chan *item, free <-chan struct{}, out chan<- *batch) error {
	idle := time.NewTicker(f.cfg.IdleCheckpoint)
	defer idle.Stop()
	mayIdle := true
	f.pending = newBatch(new(history.Rows))
	for {
		source, token := in, free
		if f.full() {
			source = nil
			if err := f.pending.seal(); err != nil {
				return err
			}
		}
		if f.pending.events == 0 && !f.pending.canary && (!f.pending.moved || !mayIdle) {
			token = nil
		}
		select {
		case first := <-source:
			if err := f.fold(ctx, f.collect(first, in)); err != nil {
				return err
			}
		case <-token:
			mayIdle = false
			if err := f.pending.seal(); err != nil {
				return err
			}
			sealed := f.handOver()
			select {
			case out <- sealed:
			case <-ctx.Done():
				return ctx.Err()
			}
		case <-idle.C:
			mayIdle = true
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *folder) full() bool {
	return f.pending.events >= f.cfg.BatchEvents || f.pending.bytes >= int64(f.cfg.BatchBytes)
}

// collect takes what waits in the feed, without waiting for more.
func (f *folder) collect(first *item, in <-chan *item) []*item {
	items := []*item{first}
	room, bytes := f.cfg.BatchEvents-f.pending.events, first.weight
	for len(items) < room && f.pending.bytes+bytes < int64(f.cfg.BatchBytes) {
		select {
		case it := <-in:
			items = append(items, it)
			bytes += it.weight
		default:
			return items
		}
	}
	return items
}

// fold adds items to the pending batch.
func (f *folder) fold(ctx context.Context, items []*item) error {
	if err := f.fetch(ctx, items); err != nil {
		return err
	}
	for _, it := range items {
		f.budget.Release(it.weight)
		if it.event == nil && it.caughtUp {
			f.status.caughtUp()
			continue
		}
		if f.seen.Reached(it.position) {
			continue // shown twice, or a checkpoint at the event before it
		}
		f.seen.Known, f.seen.Position = true, it.position
		f.pending.advance(it)
		f.pending.canary = f.pending.canary || it.canary
		if it.event == nil {
			continue
		}
		f.pending.note(it.event)
		if it.category == "" {
			f.besides(it)
			continue
		}
		f.remember(it)
		if err := f.project(ctx, it); err != nil {
			return err
		}
	}
	return nil
}

// remember adds the event to the audit trail, whatever becomes of its order.
func (f *folder) remember(it *item) {
	f.pending.history.Add(&history.Entry{
		OrderID: it.orderID, Event: it.event, Metadata: it.metadata, Readable: it.err == nil,
	})
}

// besides takes what is in no order's stream.
func (f *folder) besides(it *item) {
	if strings.HasPrefix(it.event.Stream, settlement.StreamPrefix) {
		err := f.pending.settlements.Add(it.event)
		if err == nil {
			err = f.postStatement(it.event)
		}
		if err != nil {
			f.log.Error("an event in a stream of statements says nothing: nobody can read it", slog.Any("error", err))
		}
		return
	}
	if !strings.HasPrefix(it.event.Stream, accounting.PeriodStreamPrefix) {
		f.quarantine(it)
		return
	}
	change, err := journal.Take(f.calendar, it.event)
	if err != nil {
		f.log.Error("an event in a stream of periods closes nothing: nobody can read it", slog.String("stream", it.event.Stream),
			slog.String("event_id", it.event.ID.String()), slog.Any("error", err))
		return
	}
	if change != nil {
		f.pending.periods.Add(*change)
	}
}

// postStatement adds what a line of a statement posts that belongs to no order.
func (f *folder) postStatement(ev *eventstore.RecordedEvent) error {
	if !strings.HasPrefix(ev.Stream, settlement.BookingStreamPrefix) {
		return nil
	}
	booked, metadata, err := settlements.ReadBooking(ev)
	if err != nil {
		return err
	}
	return f.pending.journal.AddStatement(ev, metadata, booked, f.calendar)
}

func (f *folder) quarantine(it *item) {
	n, ok := it.recorded.Event.(order.NotificationQuarantined)
	f.pending.quarantined = append(f.pending.quarantined, it.event)
	switch {
	case f.verdict.refusesRow(it.position):
		f.pending.quarantine.AddUnreadable(it.event, gatewayOf(it.event.Stream), quarantine.Refused)
	case it.err != nil:
		f.pending.quarantine.AddUnreadable(it.event, gatewayOf(it.event.Stream), it.err.Error())
	case !ok:
		f.pending.quarantine.AddUnreadable(it.event, gatewayOf(it.event.Stream), "unexpected event "+it.event.Type)
	default:
		f.pending.quarantine.Add(it.event, &n, it.metadata)
	}
}

// project folds the event into its order's state, or holds it back when the order is parked.
func (f *folder) project(ctx context.Context, it *item) error {
	stream := it.event.Stream
	if p, ok := f.parked[stream]; ok {
		p.HeldBack++
		f.pending.parked[stream] = copyOf(p)
		return nil
	}
	o := f.pending.touched[stream]
	if o == nil {
		return fmt.Errorf("fold %s: its state was not fetched", stream)
	}
	if it.event.Revision != o.next() { // folding on would hide it
		return fmt.Errorf("%w: %s is at revision %d, shown %d", errGap, stream, int64(o.next())-1, it.event.Revision)
	}
	if reason := f.verdict.condemns(stream, it.event.Revision); reason != "" {
		f.park(ctx, o, &foldError{event: it.event, err: errors.New(reason)})
		return nil
	}
	err := o.apply(it)
	var refused *foldError
	if !errors.As(err, &refused) {
		f.post(o, it)
		return err
	}
	if it.err == nil { // the state is spoilt: go back to the one before
		good, err := load(ctx, f.cfg.Log, stream, it.event.Revision)
		if err != nil {
			return err
		}
		f.pending.touched[stream], o = good, good
	}
	f.park(ctx, o, refused)
	return nil
}

// post adds what the newest event of the order posts to the journal.
func (f *folder) post(o *orderState, it *item) {
	f.pending.journal.Add(&journal.Entry{OrderID: o.id, Event: &it.recorded, Lines: o.posted, State: &o.state, Calendar: f.calendar})
}

// park stops the projection of one order at an event.
func (f *folder) park(ctx context.Context, o *orderState, refused *foldError) {
	ev := refused.event
	p := &parked.Order{
		Stream: o.stream, OrderID: o.id, Revision: ev.Revision, Position: ev.Position.Commit, EventID: ev.ID,
		EventType: ev.Type, Reason: refused.err.Error(), Since: ev.Created,
	}
	f.parked[o.stream] = p
	f.pending.parked[o.stream] = copyOf(p)
	f.pending.newlyParked++
	f.log.ErrorContext(ctx, "order parked: an event cannot be projected",
		slog.String("order_id", o.id), slog.String("stream", o.stream), slog.Uint64("revision", ev.Revision),
		slog.String("event_id", ev.ID.String()), slog.String("event_type", ev.Type),
		slog.String("reason", p.Reason))
}

// fetch brings the states of all orders that the items touch into the pending batch, reading streams
// side by side where the cache does not help.
func (f *folder) fetch(ctx context.Context, items []*item) error {
	var (
		missing []*eventstore.RecordedEvent
		wanted  = make(map[string]struct{})
	)
	for _, it := range items {
		if it.event == nil || it.category == "" || f.seen.Reached(it.position) {
			continue
		}
		stream := it.event.Stream
		if _, ok := f.parked[stream]; ok || f.pending.touched[stream] != nil {
			continue
		}
		if _, ok := wanted[stream]; ok {
			continue
		}
		if o, ok := f.cache.take(stream); ok {
			f.pending.touched[stream] = o
			continue
		}
		wanted[stream] = struct{}{}
		missing = append(missing, it.event)
	}
	return f.loadAll(ctx, missing)
}

// loadAll folds the streams of these events up to, and without, them.
func (f *folder) loadAll(ctx context.Context, events []*eventstore.RecordedEvent) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(f.cfg.ParallelLoads)
	var mu sync.Mutex
	for _, ev := range events {
		if ev.Revision == 0 {
			mu.Lock()
			f.pending.touched[ev.Stream] = newOrderState(ev.Stream)
			mu.Unlock()
			continue
		}
		group.Go(func() error {
			o, err := load(ctx, f.cfg.Log, ev.Stream, ev.Revision)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				f.pending.touched[ev.Stream] = o
				return nil
			}
			return f.unloadable(ctx, ev, err)
		})
	}
	return group.Wait()
}

// unloadable parks the order of an event whose earlier events cannot be folded any more, for
// example because they were written by a newer version of this program and the database by an older
// one. Its row stays as it is, but for the flag.
func (f *folder) unloadable(ctx context.Context, ev *eventstore.RecordedEvent, err error) error {
	var refused *foldError
	switch {
	case errors.As(err, &refused):
	case errors.Is(err, eventstore.ErrStreamNotFound), errors.Is(err, eventstore.ErrStreamDeleted):
		refused = &foldError{event: ev, err: err}
	default:
		return err
	}
	f.park(ctx, newOrderState(ev.Stream), refused)
	if refused.event != ev { // the item itself is counted when its turn comes
		f.parked[ev.Stream].HeldBack = int64(ev.Revision - refused.event.Revision - 1)
		return nil
	}
	f.parked[ev.Stream].HeldBack = -1
	return nil
}

// handOver ends the pending batch and begins the next.
func (f *folder) handOver() *batch {
	done := f.pending
	for stream, o := range done.touched {
		if _, ok := f.parked[stream]; !ok {
			f.cache.put(o)
		}
	}
	select {
	case trail := <-f.spare:
		trail.Reset()
		f.pending = newBatch(trail)
	default:
		f.pending = newBatch(new(history.Rows))
	}
	return done
}

// copyOf keeps what is in a batch apart from what is counted on.
func copyOf(p *parked.Order) *parked.Order {
	c := *p
	return &c
}
