// Package freshness measures how long it takes from an event's commit in the log to its being visible
// in the views, by doing it: a Prober appends a canary every second to a stream of its own and looks
// into the database until the views have come that far.
//
// It does so also while earlier ones are not visible: a stall of a minute is sixty measurements, of 60, 59, … and
// 1 s, as it is for the events of others that come meanwhile, and not one.
//
// Lag that a reader measures against its own mark is zero when the reader is dead. A canary is not: it
// goes the whole way, through the log, the subscription, the runner and PostgreSQL, and whatever of it
// stands still shows as a growing age, with or without traffic.
//
// Canaries are no business data: no order, no money, no row. They only move the checkpoint.
package freshness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/schema"
)

const (
	// StreamPrefix begins the names of canaries' streams; the runner follows them besides those of orders.
	StreamPrefix = "canary-"
	// stream is where a Prober writes, eventType what.
	stream    = StreamPrefix + "views"
	eventType = "CanaryReleased"
	// keptEvents is the $maxCount of the stream: an engine that scavenges keeps no more of it.
	keptEvents = 10
)

// Defaults of Config.
const (
	DefaultInterval   = time.Second
	DefaultStaleAfter = 30 * time.Second
)

// How often a Prober looks whether its canary is visible: finely while that is what it measures, and
// less the longer it takes.
const (
	lookFinely     = time.Millisecond
	lookFinelyFor  = 20 * time.Millisecond
	lookUsually    = 5 * time.Millisecond
	lookUsuallyFor = 250 * time.Millisecond
	lookRarely     = 100 * time.Millisecond
)

// appendTimeout bounds one append of a canary, lookTimeout one look.
const (
	appendTimeout = 10 * time.Second
	lookTimeout   = 5 * time.Second
)

// Clock tells the time, with its monotonic part.
type Clock func() time.Time

// Config is what a Prober is made of. Log, Views, Logger and Clock are required.
type Config struct {
	Log eventstore.Appender
	// Views is the database of the views, nil while there is none.
	Views  func() checkpoint.Querier
	Logger *slog.Logger
	Clock  Clock
	// Why tells, when it is known, why nothing becomes visible at the moment; otherwise it is empty. Why may be nil.
	Why func() string
	// Interval is the time between two canaries, StaleAfter the age from which views are stale; zero
	// means the defaults, a negative StaleAfter never.
	Interval, StaleAfter time.Duration
}

// Prober measures. Make one with New.
type Prober struct {
	cfg Config

	histogram prometheus.Histogram

	mu sync.Mutex
	// fresh is when the newest canary that is visible was committed; when measuring began, before that.
	fresh    time.Time
	measured window
	count    uint64
	// counted is when the release of the newest canary began that counts.
	counted time.Time
	// Why no canary can be released, or seen, at the moment.
	releaseErr, lookErr error
	warned              bool
	// often counts who wants canaries more often, hurried wakes who releases them.
	often   int
	hurried chan struct{}
	// released wakes who looks for canaries.
	released chan struct{}
}

// New makes a Prober; Run starts it.
func New(cfg Config) *Prober {
	if cfg.Interval <= 0 {
		cfg.Interval = DefaultInterval
	}
	if cfg.StaleAfter == 0 {
		cfg.StaleAfter = DefaultStaleAfter
	}
	if cfg.Why == nil {
		cfg.Why = func() string { return "" }
	}
	return &Prober{
		cfg: cfg, fresh: cfg.Clock(), hurried: make(chan struct{}, 1), released: make(chan struct{}, 1),
		histogram: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "ledger_commit_to_visible_seconds",
			Help:    "Time from a canary's commit in the log to its being visible in the views, in seconds.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 300, 1800},
		}),
	}
}

// Run releases canaries and watches them until the views have them, until ctx ends.
func (p *Prober) Run(ctx context.Context) error {
	p.limitStream(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { p.watch(ctx) })
	began := false // Views was there
	for {
		next := time.NewTimer(p.interval())
		began = began || p.cfg.Views() != nil
		err := errNoViews
		if began {
			err = p.release(ctx)
		}
		if ctx.Err() == nil {
			p.note(ctx, func() { p.releaseErr = err })
		}
		select {
		case <-next.C:
		case <-p.hurried:
			next.Stop()
		case <-ctx.Done():
			next.Stop()
			return nil
		}
	}
}

// limitStream asks engines that scavenge to keep only the newest canaries. It is no matter when it
// fails: they are small.
func (p *Prober) limitStream(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, appendTimeout)
	defer cancel()
	_, err := p.cfg.Log.Append(ctx, "$$"+stream, eventstore.NoStream, eventstore.EventData{
		ID: uuid.NewSHA1(uuid.Nil, []byte(stream)), Type: "$metadata", JSON: true, Data: fmt.Appendf(nil, `{"$maxCount":%d}`, keptEvents),
	})
	var there *eventstore.WrongExpectedRevisionError
	if err != nil && !errors.As(err, &there) && ctx.Err() == nil {
		p.cfg.Logger.DebugContext(ctx, "the stream of canaries is not limited", slog.Any("error", err))
	}
}

// release appends a canary, unless it would be one only to know at once, and an earlier one is under way that tells.
func (p *Prober) release(ctx context.Context) error {
	now := p.cfg.Clock()
	p.mu.Lock()
	counts := now.Sub(p.counted) >= p.cfg.Interval-min(p.cfg.Interval, oftenInterval)/2
	if counts {
		p.counted = now
	}
	_, known := p.measured.oldest()
	p.mu.Unlock()
	if !counts && known {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, appendTimeout, errors.New("the log does not answer"))
	defer cancel()
	result, err := p.cfg.Log.Append(ctx, stream, eventstore.Any, eventstore.EventData{
		ID: uuid.New(), Type: eventType, JSON: true, Data: []byte("{}"),
	})
	if err != nil {
		return fmt.Errorf("release a canary: %w", err)
	}
	p.mu.Lock()
	p.observe(p.measured.released(canary{committed: p.cfg.Clock(), position: result.Position, counts: counts}))
	p.mu.Unlock()
	select {
	case p.released <- struct{}{}:
	default:
	}
	return nil
}

// watch looks for the canaries that are under way until ctx ends.
func (p *Prober) watch(ctx context.Context) {
	for {
		p.mu.Lock()
		oldest, known := p.measured.oldest()
		p.mu.Unlock()
		if !known {
			select {
			case <-p.released:
				continue
			case <-ctx.Done():
				return
			}
		}
		err := p.look(ctx, oldest.position)
		if ctx.Err() != nil {
			return
		}
		took := p.cfg.Clock().Sub(oldest.committed)
		if err == nil || took > p.cfg.Interval {
			p.note(ctx, func() { p.lookErr = err })
		}
		if err == nil {
			continue
		}
		pause := lookRarely
		switch {
		case took < lookFinelyFor:
			pause = lookFinely
		case took < lookUsuallyFor:
			pause = lookUsually
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

var errNoViews = errors.New("the database of the views is not there")

// look notes which canaries the views have, and returns nil when the one at a position is among them.
func (p *Prober) look(ctx context.Context, at eventstore.Position) error {
	db := p.cfg.Views()
	if db == nil {
		return errNoViews
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lookTimeout, errors.New("the database does not answer"))
	defer cancel()
	c, err := checkpoint.Read(ctx, db)
	if err != nil {
		return fmt.Errorf("look for a canary: %w", schema.ExplainQuery(err))
	}
	if !c.Reached(at) {
		why := p.cfg.Why()
		if why == "" {
			why = "the projector or the database is held up"
		}
		return fmt.Errorf("the views stand at %s, before a canary at %s: %s", c, at, why)
	}
	now := p.cfg.Clock()
	p.mu.Lock()
	defer p.mu.Unlock()
	seen, took := p.measured.seen(now, c.Reached)
	p.observe(took)
	if p.count += uint64(len(seen)); len(seen) > 0 {
		p.fresh = seen[len(seen)-1].committed
	}
	return nil
}

func (p *Prober) observe(took []time.Duration) {
	for _, t := range took {
		p.histogram.Observe(t.Seconds())
	}
}

// note keeps what is wrong at the moment, and logs when the views become stale and when they are fresh
// again.
func (p *Prober) note(ctx context.Context, keep func()) {
	now := p.cfg.Clock()
	p.mu.Lock()
	keep()
	err := p.wrong()
	age := now.Sub(p.fresh)
	stale := p.isStale(age)
	before := p.warned
	p.warned = stale
	p.mu.Unlock()
	switch {
	case !before && stale:
		p.cfg.Logger.WarnContext(ctx, "the views are stale", slog.Duration("age", age), slog.Any("error", err))
	case before && !stale:
		p.cfg.Logger.InfoContext(ctx, "the views are fresh again")
	}
}

// wrong is what is wrong at the moment, nil when nothing is.
func (p *Prober) wrong() error {
	if p.lookErr != nil {
		return p.lookErr
	}
	return p.releaseErr
}

// Latest is the slowest of the newest measurements, or the age of one that is under way when that is more; false
// before there are any.
func (p *Prober) Latest() (time.Duration, bool) {
	now := p.cfg.Clock()
	p.mu.Lock()
	defer p.mu.Unlock()
	latest, ok := p.measured.latest(now)
	return max(latest, now.Sub(p.fresh)-2*p.cfg.Interval), ok // the log may take none
}

// Usual is how long it usually takes, by the measurements of the last minutes; false when there are too few.
func (p *Prober) Usual() (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.measured.usual()
}

// oftenInterval is the time between two canaries while somebody wants to know at once.
const oftenInterval = 100 * time.Millisecond

// Often has canaries released ten times a second until calm is called.
func (p *Prober) Often() (calm func()) {
	p.mu.Lock()
	p.often++
	p.mu.Unlock()
	select {
	case p.hurried <- struct{}{}:
	default:
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.often--
	}
}

func (p *Prober) interval() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.often > 0 {
		return min(p.cfg.Interval, oftenInterval)
	}
	return p.cfg.Interval
}

func (p *Prober) isStale(age time.Duration) bool {
	return p.cfg.StaleAfter > 0 && age > p.cfg.StaleAfter
}

// Status tells how fresh the views are.
type Status struct {
	// Age is the time since the newest event that is known to be visible was committed; about the
	// interval of canaries when all is well. Before the first canary it counts from the start.
	Age time.Duration
	// Stale: Age is above Config.StaleAfter.
	Stale bool
	// P50 and P99 are quantiles of commit-to-visible over the Samples canaries of the last ten minutes (of the newest
	// 6,000, should there be more), one each Config.Interval; those that are late and not visible yet count with what
	// they took so far. Zero without any.
	P50, P99 time.Duration
	Samples  int
	// Canaries counts those that were seen since the start.
	Canaries uint64
	// Error says what is wrong at the moment; empty when nothing is.
	Error string
}

// Status is right at any time, whatever of the chain is dead: it compares with the clock.
func (p *Prober) Status() Status {
	now := p.cfg.Clock()
	p.mu.Lock()
	defer p.mu.Unlock()
	st := Status{Age: now.Sub(p.fresh), Canaries: p.count}
	st.Stale = p.isStale(st.Age)
	if err := p.wrong(); err != nil {
		st.Error = err.Error()
	}
	sorted := p.measured.sorted(now, p.cfg.Interval)
	st.Samples, st.P50, st.P99 = len(sorted), quantile(sorted, 50), quantile(sorted, 99)
	return st
}

// Describe implements prometheus.Collector.
func (p *Prober) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(p, out) }

// Collect implements prometheus.Collector.
func (p *Prober) Collect(out chan<- prometheus.Metric) {
	p.histogram.Collect(out)
	st := p.Status()
	gauge := func(name, help string, v float64) {
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, v)
	}
	gauge("ledger_views_age_seconds", "Time since the newest event known to be visible was committed; grows when anything on the way is dead.",
		st.Age.Seconds())
	stale := 0.0
	if st.Stale {
		stale = 1
	}
	gauge("ledger_views_stale", "1 when the age of the views is above the limit.", stale)
}
