package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// Log is what webhooks are made from, and where what became of them is told.
type Log interface {
	eventstore.Reader
	eventstore.Subscriber
	eventstore.Appender
}

// Config is what a Pusher is made of; all is required but Sent and BacklogMax.
type Config struct {
	Log Log
	// Database is the database of the views, nil while it is away.
	Database    func() *pgxpool.Pool
	Subscribers []Subscriber
	Clock       func() time.Time
	Logger      *slog.Logger
	// Sent is told of every attempt.
	Sent func(subscriber string, delivered bool)
	// BacklogMax is how many deliveries of one subscriber may wait: beyond that, the log keeps the rest; 0 is
	// BacklogMax.
	BacklogMax int64
}

// Bounds of the work.
const (
	// planRows is how many deliveries are planned in one transaction, planEvents how many events may be read
	// again after a crash.
	planRows, planEvents = 500, 2_000
	// BacklogMax is how many deliveries of one subscriber may wait, unless Config says otherwise.
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
	c        Config
	standing standing

	mu          sync.Mutex
	subscribers []Subscriber
	changed     chan struct{} // has a token when subscribers were changed
}

// New makes a Pusher.
func New(c Config) (*Pusher, error) {
	if c.Sent == nil {
		c.Sent = func(string, bool) {}
	}
	if c.BacklogMax == 0 {
		c.BacklogMax = BacklogMax
	}
	p := &Pusher{c: c, changed: make(chan struct{}, 1)}
	return p, p.Configure(c.Subscribers)
}

// Configure serves these subscribers from now on: those that are new begin, those that are gone end, and those
// that changed go on as they are now. Subscribers are as Validate accepts them.
func (p *Pusher) Configure(subscribers []Subscriber) error {
	if len(subscribers) > SubscribersMax {
		return fmt.Errorf("%d subscribers of webhooks; at most %d", len(subscribers), SubscribersMax)
	}
	p.mu.Lock()
	p.subscribers = subscribers
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default:
	}
	return nil
}

// configured are the names of the subscribers, never nil.
func (p *Pusher) configured() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	names := make([]string, len(p.subscribers))
	for i := range p.subscribers {
		names[i] = p.subscribers[i].Name
	}
	return names
}

// served is a subscriber whose deliveries are under way.
type served struct {
	subscriber Subscriber
	end        func() // returns when nothing is under way any more
}

// Run plans and delivers until ctx ends. Nothing stops it: while the database or the log is away it waits.
func (p *Pusher) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { p.forever(ctx, "standing", func() error { return p.watch(ctx) }) })
	work.Go(func() { p.forever(ctx, "history", func() error { return p.tellLog(ctx) }) })
	running := map[string]served{}
	for {
		select {
		case <-p.changed:
			p.apply(ctx, running)
		case <-ctx.Done():
			for _, s := range running {
				s.end()
			}
			return nil
		}
	}
}

// apply ends, changes and begins what the configuration asks for.
func (p *Pusher) apply(ctx context.Context, running map[string]served) {
	p.mu.Lock()
	want := p.subscribers
	p.mu.Unlock()
	wanted := map[string]bool{}
	for i := range want {
		wanted[want[i].Name] = true
	}
	for name, s := range running {
		if !wanted[name] {
			s.end()
			delete(running, name)
			p.behindSince(name, time.Time{})
		}
	}
	for i := range want {
		if s, ok := running[want[i].Name]; ok {
			if reflect.DeepEqual(s.subscriber, want[i]) {
				continue
			}
			s.end()
		}
		running[want[i].Name] = p.serve(ctx, want[i])
	}
}

// serve begins to plan and deliver for a subscriber.
func (p *Pusher) serve(ctx context.Context, s Subscriber) served {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	wake, verified := make(chan struct{}, 1), make(chan struct{})
	ready := sync.OnceFunc(func() { close(verified) })
	work.Go(func() {
		if p.retry(ctx, func() error { return p.added(ctx, s.Name) }) != nil {
			return
		}
		p.forever(ctx, s.Name, func() error { return p.plan(ctx, &s, ready, wake) })
	})
	work.Go(func() {
		select {
		case <-verified: // nothing is sent before it is known to be of this log
			p.forever(ctx, s.Name, func() error { return p.dispatch(ctx, &s, wake) })
		case <-ctx.Done():
		}
	})
	return served{subscriber: s, end: func() { cancel(); work.Wait() }}
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
		err = schema.ExplainQuery(err)
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
