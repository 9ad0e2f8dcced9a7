package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// Log is what webhooks are made from, and where what became of them is told.
type Log interface {
	eventstore.Reader
	eventstore.Subscriber
	eventstore.Appender
}

// Config is what a Pusher is made of; all is required but Sent.
type Config struct {
	Log Log
	// Database is the database of the views, nil while it is away.
	Database    func() *pgxpool.Pool
	Subscribers []Subscriber
	Clock       func() time.Time
	Logger      *slog.Logger
	// Sent is told of every attempt.
	Sent func(subscriber string, delivered bool)
}

// Bounds of the work.
const (
	// planRows is how many deliveries are planned in one transaction, planEvents how many events may be read
	// again after a crash.
	planRows, planEvents = 500, 2_000
	// BacklogMax is how many deliveries of one subscriber may wait: beyond that, the log keeps the rest.
	BacklogMax = 100_000
	// claimPerWorker is how many deliveries are taken at once for each request that may be under way. A
	// process that is killed leaves what it has taken for so many time-outs.
	claimPerWorker = 4
	// historyRows is how many outcomes are appended to the log at once.
	historyRows = 500
	// lookAgain is how often the database is looked at when nothing tells that it should be.
	lookAgain = time.Second
)

// Pusher delivers webhooks.
type Pusher struct {
	c Config
}

// New makes a Pusher.
func New(c Config) (*Pusher, error) {
	if len(c.Subscribers) > SubscribersMax {
		return nil, fmt.Errorf("%d subscribers of webhooks; at most %d", len(c.Subscribers), SubscribersMax)
	}
	if c.Sent == nil {
		c.Sent = func(string, bool) {}
	}
	return &Pusher{c: c}, nil
}

// Run plans and delivers until ctx ends. Nothing stops it: while the database or the log is away it waits.
func (p *Pusher) Run(ctx context.Context) error {
	if len(p.c.Subscribers) == 0 {
		return nil
	}
	var work sync.WaitGroup
	defer work.Wait()
	for i := range p.c.Subscribers {
		s := &p.c.Subscribers[i]
		var from eventstore.Position
		if err := p.retry(ctx, func() (err error) { from, err = p.added(ctx, s.Name); return err }); err != nil {
			return nil
		}
		if s.FromBeginning {
			from = eventstore.Position{}
		}
		wake := make(chan struct{}, 1)
		work.Go(func() { p.forever(ctx, s.Name, func() error { return p.plan(ctx, s, from, wake) }) })
		work.Go(func() { p.forever(ctx, s.Name, func() error { return p.dispatch(ctx, s, wake) }) })
	}
	work.Go(func() { p.forever(ctx, "history", func() error { return p.tellLog(ctx) }) })
	return nil
}

// retry works until it succeeds or ctx ends.
func (p *Pusher) retry(ctx context.Context, work func() error) error {
	for {
		err := work()
		if err == nil {
			return nil
		}
		p.c.Logger.WarnContext(ctx, "webhooks wait", slog.Any("error", err))
		if pause(ctx, lookAgain); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// forever works again and again until ctx ends; a failure is logged when it is new.
func (p *Pusher) forever(ctx context.Context, subscriber string, work func() error) {
	last := ""
	for ctx.Err() == nil {
		err := work()
		if ctx.Err() != nil {
			return
		}
		if err != nil && !errors.Is(err, errElsewhere) && !errors.Is(err, errNoDatabase) && err.Error() != last {
			last = err.Error()
			p.c.Logger.WarnContext(ctx, "webhooks wait", slog.String("subscriber", subscriber), slog.Any("error", err))
		}
		pause(ctx, lookAgain)
	}
}

// pause waits, or returns when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

var errNoDatabase = errors.New("the database is away")

func (p *Pusher) pool() (*pgxpool.Pool, error) {
	if pool := p.c.Database(); pool != nil {
		return pool, nil
	}
	return nil, errNoDatabase
}

// added is where a subscriber was first served, which its stream tells: it gets what comes from there on,
// whenever the database can be reached.
func (p *Pusher) added(ctx context.Context, subscriber string) (eventstore.Position, error) {
	stream := streamPrefix + subscriber
	for e, err := range p.c.Log.ReadStream(ctx, stream, eventstore.StreamRead{Count: 1}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) {
			break
		}
		if err != nil {
			return eventstore.Position{}, fmt.Errorf("read stream %q: %w", stream, err)
		}
		return e.Position, nil
	}
	data, err := json.Marshal(Told{Subscriber: subscriber})
	if err != nil {
		return eventstore.Position{}, err
	}
	e, err := p.event(uuid.New(), SubscriberAdded, data, p.c.Clock())
	if err != nil {
		return eventstore.Position{}, err
	}
	// When another process was faster, the next try reads what it appended.
	result, err := p.c.Log.Append(ctx, stream, eventstore.NoStream, e)
	if err != nil {
		return eventstore.Position{}, fmt.Errorf("add subscriber %s: %w", subscriber, err)
	}
	return result.Position, nil
}

// streamPrefix is what the streams are named with that tell of deliveries.
const streamPrefix = "webhook-"

// event is one that tells of deliveries.
func (p *Pusher) event(id uuid.UUID, eventType string, data []byte, at time.Time) (eventstore.EventData, error) {
	metadata, err := json.Marshal(order.Metadata{
		LedgerID: id.String(), Schema: 1, OccurredAt: at.UTC(), OccurredAtBasis: order.BasisReceived, RecordedAt: p.c.Clock().UTC(), Source: "webhooks", Actor: "system",
	})
	if err != nil {
		return eventstore.EventData{}, fmt.Errorf("encode %s: %w", eventType, err)
	}
	return eventstore.EventData{ID: id, Type: eventType, JSON: true, Data: data, Metadata: metadata}, nil
}

// plan follows the log and plans what the subscriber wants; a new one begins after a position.
func (p *Pusher) plan(ctx context.Context, s *Subscriber, from eventstore.Position, wake chan<- struct{}) error {
	pool, err := p.pool()
	if err != nil {
		return err
	}
	if from, err = position(ctx, pool, s.Name, from); err != nil {
		return err
	}
	orders, err := newOrders(p.c.Log)
	if err != nil {
		return err
	}
	prefixes := []string{string(order.CategoryOrder) + "-", string(order.CategoryPayout) + "-"}
	if s.TestOrders {
		prefixes = append(prefixes, string(order.CategoryTestOrder)+"-")
	}
	sub := eventstore.AllSubscription{Filter: eventstore.Filter{StreamPrefixes: prefixes}}
	if from != (eventstore.Position{}) {
		sub.After = &from
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
	err = (&planner{Pusher: p, s: s, pool: pool, orders: orders, at: from, to: from, wake: wake}).run(ctx, messages)
	cancel()
	for range messages { // let the reader go
	}
	reading.Wait()
	return errors.Join(err, failed)
}

// planner plans for one subscriber.
type planner struct {
	*Pusher

	s      *Subscriber
	pool   *pgxpool.Pool
	orders *orders
	at, to eventstore.Position // planned up to, seen up to
	seen   int                 // events since at
	rows   []planned
	wake   chan<- struct{}
}

func (p *planner) run(ctx context.Context, messages <-chan eventstore.Message) error {
	for m := range messages {
		if e, ok := m.(eventstore.EventAppeared); ok {
			if err := p.see(ctx, &e.Event); err != nil {
				return err
			}
		}
		if drained := len(messages) == 0; (drained && len(p.rows) > 0) || len(p.rows) >= planRows || p.seen >= planEvents {
			if err := p.flush(ctx); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func (p *planner) see(ctx context.Context, e *eventstore.RecordedEvent) error {
	p.orders.see(e)
	p.to = e.Position
	p.seen++
	name, ok := names[e.Type]
	if !ok || !p.s.Wants(name) {
		return nil
	}
	event, metadata, err := order.Decode(e.Type, e.Data, e.Metadata)
	var state *order.State
	if err == nil {
		state, err = p.orders.after(ctx, e)
	}
	var unreadable *unreadableError
	if errors.As(err, &unreadable) || (err != nil && event == nil) {
		// The views park such an order; nothing can be said about it here either.
		p.c.Logger.ErrorContext(ctx, "an event cannot be pushed: it cannot be read", slog.String("stream", e.Stream), slog.String("event_id", e.ID.String()), slog.Any("error", err))
		return nil
	}
	if err != nil {
		return err
	}
	body, err := render(p.s.Template, name, e, &order.Recorded{Event: event, ID: e.ID, Revision: e.Revision, Position: e.Position.Commit, Metadata: metadata}, state)
	if err != nil {
		return err
	}
	p.rows = append(p.rows, planned{eventID: e.ID, orderID: state.ID, name: name, body: body})
	return nil
}

func (p *planner) flush(ctx context.Context) error {
	for len(p.rows) > 0 {
		waiting, err := backlog(ctx, p.pool, p.s.Name)
		if err != nil {
			return err
		}
		if waiting < BacklogMax {
			break
		}
		if pause(ctx, lookAgain); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err := plan(ctx, p.pool, p.s.Name, p.at, p.to, p.rows, p.c.Clock()); err != nil {
		return err
	}
	p.at, p.seen = p.to, 0
	if len(p.rows) > 0 {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
	p.rows = p.rows[:0]
	return nil
}

// dispatch sends what is due.
func (p *Pusher) dispatch(ctx context.Context, s *Subscriber, wake <-chan struct{}) error {
	to := newSender(s, p.c.Clock)
	defer to.close()
	for ctx.Err() == nil {
		pool, err := p.pool()
		if err != nil {
			return err
		}
		now := p.c.Clock()
		due, err := claim(ctx, pool, s, s.Concurrency*claimPerWorker, now, now.Add(s.Timeout*claimPerWorker+lookAgain))
		if err != nil {
			return err
		}
		if len(due) == 0 {
			timer := time.NewTimer(lookAgain)
			select {
			case <-timer.C:
			case <-wake:
			case <-ctx.Done():
			}
			timer.Stop()
			continue
		}
		if err := p.deliver(ctx, pool, s, to, due); err != nil {
			return err
		}
	}
	return nil
}

// deliver makes one attempt of each, side by side, and records what became of them.
func (p *Pusher) deliver(ctx context.Context, pool *pgxpool.Pool, s *Subscriber, to *sender, due []delivery) error {
	results := make([]result, len(due))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(s.Concurrency, len(due)) {
		workers.Go(func() {
			for i := range next {
				results[i] = p.attempt(ctx, s, to, due[i])
			}
		})
	}
	for i := range due {
		next <- i
	}
	close(next)
	workers.Wait()
	if ctx.Err() != nil { // what was cut off is as if it had not been taken
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookAgain)
		defer cancel()
		done := slices.DeleteFunc(slices.Clone(results), func(r result) bool { return !r.outcome.delivered })
		if len(done) > 0 {
			if _, err := record(stopping, pool, s, done); err != nil {
				return err // it is sent again
			}
		}
		return release(stopping, pool, due, p.c.Clock())
	}
	for i := range results {
		p.c.Sent(s.Name, results[i].outcome.delivered)
	}
	disabled, err := record(ctx, pool, s, results)
	if disabled != "" {
		p.c.Logger.ErrorContext(ctx, "a subscriber of webhooks is disabled", slog.String("subscriber", s.Name), slog.String("reason", disabled))
	}
	return err
}

func (p *Pusher) attempt(ctx context.Context, s *Subscriber, to *sender, d delivery) result {
	r := result{delivery: d, outcome: to.send(ctx, d.eventID.String(), d.body), at: p.c.Clock()}
	if !r.outcome.delivered && !r.outcome.gone {
		if wait, again := s.Retry.next(d.attempts+1, d.eventID.String()); again {
			r.again = r.at.Add(wait)
		}
	}
	return r
}

// tellLog appends what became of deliveries to the log, in batches that a crash does not double: the ids of
// their events are made of the batch's own.
func (p *Pusher) tellLog(ctx context.Context) error {
	for ctx.Err() == nil {
		pool, err := p.pool()
		if err != nil {
			return err
		}
		wrote := 0
		for i := range p.c.Subscribers {
			n, err := p.tellOf(ctx, pool, p.c.Subscribers[i].Name)
			if err != nil {
				return err
			}
			wrote += n
		}
		if wrote == 0 {
			pause(ctx, lookAgain)
		}
	}
	return nil
}

type outcomeRow struct {
	id   int64
	kind string
	data json.RawMessage
	at   time.Time
}

// tellOf appends one batch of a subscriber; it tells how many events that were.
func (p *Pusher) tellOf(ctx context.Context, pool *pgxpool.Pool, subscriber string) (int, error) {
	var batch uuid.UUID
	// A batch that is not done yet comes first; otherwise the oldest rows become one.
	err := pool.QueryRow(ctx, `SELECT batch FROM ledger_push.history WHERE subscriber = $1 AND batch IS NOT NULL ORDER BY id LIMIT 1`, subscriber).Scan(&batch)
	if errors.Is(err, pgx.ErrNoRows) {
		batch = uuid.New()
		_, err = pool.Exec(ctx, `UPDATE ledger_push.history SET batch = $2 WHERE id IN (
			SELECT id FROM ledger_push.history WHERE subscriber = $1 AND batch IS NULL ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)`, subscriber, batch, historyRows)
	}
	if err != nil {
		return 0, fmt.Errorf("gather outcomes of %s: %w", subscriber, err)
	}
	rows, err := pool.Query(ctx, "SELECT id, type, data, at FROM ledger_push.history WHERE batch = $1 ORDER BY id", batch)
	if err != nil {
		return 0, fmt.Errorf("gather outcomes of %s: %w", subscriber, err)
	}
	outcomes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o outcomeRow, err error) {
		return o, row.Scan(&o.id, &o.kind, &o.data, &o.at)
	})
	if err != nil || len(outcomes) == 0 {
		return 0, err
	}
	events := make([]eventstore.EventData, len(outcomes))
	for i, o := range outcomes {
		if events[i], err = p.event(uuid.NewSHA1(batch, fmt.Appendf(nil, "%d", o.id)), o.kind, o.data, o.at); err != nil {
			return 0, err
		}
	}
	if _, err := p.c.Log.Append(ctx, streamPrefix+subscriber, eventstore.Any, events...); err != nil {
		return 0, fmt.Errorf("tell outcomes of %s: %w", subscriber, err)
	}
	if _, err := pool.Exec(ctx, "DELETE FROM ledger_push.history WHERE batch = $1", batch); err != nil {
		return 0, fmt.Errorf("forget told outcomes of %s: %w", subscriber, err)
	}
	return len(outcomes), nil
}
