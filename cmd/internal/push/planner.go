package push

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// plan follows the log and plans what the subscriber wants, as long as the log is the one that was planned
// from. It calls ready when that is known.
func (p *Pusher) plan(ctx context.Context, s *Subscriber, ready func(), wake chan<- struct{}) error {
	pool, err := p.pool()
	if err != nil {
		return err
	}
	is, err := p.verify(ctx, pool, s)
	if err != nil {
		return err
	}
	if err := arrange(ctx, pool, s.Name, s.Ordered); err != nil {
		return err
	}
	ready()
	orders, err := newOrders(p.c.Log)
	if err != nil {
		return err
	}
	prefixes := []string{string(order.CategoryOrder) + "-", string(order.CategoryPayout) + "-"}
	if s.TestOrders {
		prefixes = append(prefixes, string(order.CategoryTestOrder)+"-")
	}
	sub := eventstore.AllSubscription{Filter: eventstore.Filter{StreamPrefixes: prefixes}}
	if is.planned != (eventstore.Position{}) {
		sub.After = &is.planned
	}
	ctx, cancel := context.WithCancel(ctx)
	messages := make(chan eventstore.Message, planRows)
	var reading sync.WaitGroup
	var failed error
	reading.Go(func() {
		defer close(messages)
		for m, err := range p.c.Log.SubscribeAll(ctx, sub) {
			if err != nil {
				failed = err
				return
			}
			select {
			case messages <- m:
			case <-ctx.Done():
				return
			}
		}
	})
	pl := &planner{Pusher: p, s: s, pool: pool, orders: orders, at: is.planned, recoveringTo: is.recoveringTo, wake: wake}
	err = pl.run(ctx, messages)
	cancel()
	for range messages { // let the reader go
	}
	if reading.Wait(); err != nil {
		return err
	}
	return failed
}

// planner plans for one subscriber.
type planner struct {
	*Pusher

	s            *Subscriber
	pool         *pgxpool.Pool
	orders       *orders
	at           eventstore.Position // planned up to
	batch        []eventstore.RecordedEvent
	last         *eventstore.RecordedEvent // seen and not planned up to
	seen         int                       // events since at
	rows         []planned
	roomFor      int64  // deliveries until the backlog must be counted again
	recoveringTo *int64 // see subscription
	wake         chan<- struct{}
}

// planned is a delivery that is to be written.
type planned struct {
	event    *eventstore.RecordedEvent
	orderID  string
	name     string
	body     []byte // nil when it cannot be made
	dead     bool
	attempts int
	status   *int
	problem  *string
}

func (p *planner) run(ctx context.Context, messages <-chan eventstore.Message) error {
	for m := range messages {
		caughtUp := false
		switch m := m.(type) {
		case eventstore.EventAppeared:
			p.batch = append(p.batch, m.Event)
			p.behindSince(p.s.Name, p.batch[0].Created)
		case eventstore.CaughtUp:
			caughtUp = true
		case eventstore.CheckpointReached:
		}
		if len(messages) > 0 && len(p.batch) < planRows && !caughtUp {
			continue
		}
		if err := p.work(ctx); err != nil {
			return err
		}
		if caughtUp && p.recoveringTo != nil {
			if err := p.endRecovery(ctx); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// work plans the batch.
func (p *planner) work(ctx context.Context) error {
	if len(p.batch) == 0 {
		return nil
	}
	var known map[uuid.UUID]settled
	if p.recoveringTo != nil {
		ids := make([]uuid.UUID, len(p.batch))
		for i := range p.batch {
			ids[i] = p.batch[i].ID
		}
		var err error
		if known, err = settledOf(ctx, p.pool, p.s.Name, ids); err != nil {
			return err
		}
	}
	for i := range p.batch {
		e := &p.batch[i]
		p.orders.see(e)
		if is, settled := known[e.ID]; settled && !is.dead {
			continue
		}
		if err := p.see(ctx, e, known); err != nil {
			return err
		}
	}
	p.last = &p.batch[len(p.batch)-1]
	p.seen += len(p.batch)
	if len(p.rows) > 0 || p.seen >= planEvents || p.recoveringTo != nil {
		if err := p.flush(ctx); err != nil {
			return err
		}
	}
	p.batch = nil
	p.behindSince(p.s.Name, time.Time{})
	return nil
}

func (p *planner) see(ctx context.Context, e *eventstore.RecordedEvent, known map[uuid.UUID]settled) error {
	row, err := compose(ctx, p.s, p.orders, e)
	var unreadable *unreadableError
	switch {
	case errors.As(err, &unreadable):
		problem := unreadable.Error()
		row.dead, row.problem = true, &problem
		p.c.Logger.ErrorContext(ctx, "a webhook cannot be made: its event cannot be read; it is a dead letter", slog.String("subscriber", p.s.Name),
			slog.String("stream", e.Stream), slog.String("event_id", e.ID.String()), slog.Any("error", err))
	case err != nil:
		return err
	case row == nil:
		return nil
	}
	if is, settled := known[e.ID]; settled {
		row.dead, row.attempts, row.status, row.problem = true, is.attempts, is.status, is.problem
	}
	p.rows = append(p.rows, *row)
	return nil
}

// compose makes the delivery of an event; nil when the subscriber does not want it. What cannot be read is an
// *unreadableError, with a delivery that has no body: it may well be wanted.
func compose(ctx context.Context, s *Subscriber, orders *orders, e *eventstore.RecordedEvent) (*planned, error) {
	if isLeftOut(e.Type) || !s.mayWant(e.Type) {
		return nil, nil
	}
	row := &planned{event: e, orderID: orderOf(e.Stream), name: firstName(e.Type)}
	event, metadata, err := order.Decode(e.Type, e.Data, e.Metadata)
	if err != nil {
		return row, &unreadableError{err: err}
	}
	state, err := orders.after(ctx, e)
	if err != nil {
		return row, err
	}
	if row.name = nameOf(event); !s.Wants(row.name) {
		return nil, nil
	}
	row.orderID = state.ID
	row.body, err = render(s.Template, row.name, e, &order.Recorded{Event: event, ID: e.ID, Revision: e.Revision, Position: e.Position.Commit, Metadata: metadata}, state)
	return row, err
}

func (p *planner) flush(ctx context.Context) error {
	for p.roomFor < int64(len(p.rows)) {
		waiting, err := backlog(ctx, p.pool, p.s.Name)
		if err != nil {
			return err
		}
		if p.roomFor = p.c.BacklogMax - waiting; p.roomFor > 0 {
			break
		}
		if pause(ctx, lookAgain); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	written, err := plan(ctx, p.pool, p.s, p.at, p.last, p.rows, p.c.Clock())
	if err != nil {
		return err
	}
	if written < len(p.rows) {
		p.c.Logger.WarnContext(ctx, "events of the log share an id: webhooks of the first are sent", slog.String("subscriber", p.s.Name), slog.Int("left_out", len(p.rows)-written))
	}
	p.at, p.seen, p.roomFor = p.last.Position, 0, p.roomFor-int64(len(p.rows))
	if len(p.rows) > 0 {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
	p.rows = nil
	if p.recoveringTo != nil && p.at.Commit >= uint64(*p.recoveringTo) {
		return p.endRecovery(ctx)
	}
	return nil
}

func (p *planner) endRecovery(ctx context.Context) error {
	p.recoveringTo = nil
	return recovered(ctx, p.pool, p.s.Name)
}
