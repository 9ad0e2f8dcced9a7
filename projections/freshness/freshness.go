// Package freshness measures how long it takes from an event's commit in the log to its being visible
// in the views, by doing it: a Prober appends a canary every second to a stream of its own and looks
// into the database until the views have come that far.
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
	"slices"
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

// samplesMost is how many of the newest measurements quantiles are taken of: ten minutes' worth.
const samplesMost = 600

// Clock tells the time, with its monotonic part.
type Clock func() time.Time

// Config is what a Prober is made of. Log, Views, Logger and Clock are required.
type Config struct {
	Log eventstore.Appender
	// Views is the database of the views, nil while there is none.
	Views  func() checkpoint.Querier
	Logger *slog.Logger
	Clock  Clock
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
	fresh   time.Time
	samples []time.Duration // a ring
	next    int
	count   uint64
	err     error // why no canary can be released or seen at the moment
	warned  bool
	// often counts who wants canaries more often, hurried wakes Run.
	often   int
	hurried chan struct{}
}

// New makes a Prober; Run starts it.
func New(cfg Config) *Prober {
	if cfg.Interval <= 0 {
		cfg.Interval = DefaultInterval
	}
	if cfg.StaleAfter == 0 {
		cfg.StaleAfter = DefaultStaleAfter
	}
	return &Prober{
		cfg: cfg, fresh: cfg.Clock(), hurried: make(chan struct{}, 1), samples: make([]time.Duration, 0, samplesMost),
		histogram: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "ledger_commit_to_visible_seconds",
			Help:    "Time from a canary's commit in the log to its being visible in the views, in seconds.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 300, 1800},
		}),
	}
}

// Run releases canaries and watches each until the views have it, until ctx ends.
func (p *Prober) Run(ctx context.Context) error {
	p.limitStream(ctx)
	for {
		next := time.NewTimer(p.interval())
		err := p.probe(ctx)
		if ctx.Err() != nil {
			next.Stop()
			return nil //nolint:nilerr // stopped while it looked: not a failure
		}
		p.note(ctx, err)
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

// probe releases one canary and returns when it is visible, however long that takes. Without a
// database it releases none.
func (p *Prober) probe(ctx context.Context) error {
	if p.cfg.Views() == nil {
		return errNoViews
	}
	appendCtx, cancel := context.WithTimeoutCause(ctx, appendTimeout, errors.New("the log does not answer"))
	result, err := p.cfg.Log.Append(appendCtx, stream, eventstore.Any, eventstore.EventData{
		ID: uuid.New(), Type: eventType, JSON: true, Data: []byte("{}"),
	})
	cancel()
	if err != nil {
		return fmt.Errorf("release a canary: %w", err)
	}
	committed := p.cfg.Clock()
	for {
		err := p.look(ctx, result.Position)
		took := p.cfg.Clock().Sub(committed)
		if err == nil {
			p.measured(committed, took)
			return nil
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // stopped while it looked: not a failure
		}
		pause := lookRarely
		switch {
		case took < lookFinelyFor:
			pause = lookFinely
		case took < lookUsuallyFor:
			pause = lookUsually
		case took > p.cfg.Interval:
			p.note(ctx, err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

var errNoViews = errors.New("the database of the views is not there")

// look returns nil when the views stand at a position or after it.
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
		return fmt.Errorf("the views stand at %s, before a canary at %s: the projector or the database is held up", c, at)
	}
	return nil
}

func (p *Prober) measured(committed time.Time, took time.Duration) {
	p.histogram.Observe(took.Seconds())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fresh = committed
	p.count++
	if len(p.samples) < samplesMost {
		p.samples = append(p.samples, took)
		return
	}
	p.samples[p.next] = took
	p.next = (p.next + 1) % samplesMost
}

// note keeps what is wrong at the moment, and logs when the views become stale and when they are fresh
// again.
func (p *Prober) note(ctx context.Context, err error) {
	now := p.cfg.Clock()
	p.mu.Lock()
	p.err = err
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

// latestSamples is how many of the newest measurements say how fresh the views are lately.
const latestSamples = 5

// Latest is the slowest of the newest measurements, or the age of one that is under way when that is more; false
// before there are any.
func (p *Prober) Latest() (time.Duration, bool) {
	now := p.cfg.Clock()
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.samples)
	if n == 0 {
		return 0, false
	}
	latest := now.Sub(p.fresh) - 2*p.intervalNow()
	for i := range min(n, latestSamples) {
		latest = max(latest, p.samples[((p.next-1-i)%n+n)%n])
	}
	return latest, true
}

// usualPercent is which quantile of the measurements is what is usual, usualLeast how many it takes.
const usualPercent, usualLeast = 90, 10

// Usual is how long it usually takes, by the measurements of the last minutes; false when there are too few.
func (p *Prober) Usual() (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.samples) < usualLeast {
		return 0, false
	}
	return quantile(slices.Sorted(slices.Values(p.samples)), usualPercent), true
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
	return p.intervalNow()
}

func (p *Prober) intervalNow() time.Duration {
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
	// P50 and P99 are quantiles of commit-to-visible over the newest Samples measurements, at most 600;
	// zero without any.
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
	st := Status{Age: now.Sub(p.fresh), Samples: len(p.samples), Canaries: p.count}
	st.Stale = p.isStale(st.Age)
	if p.err != nil {
		st.Error = p.err.Error()
	}
	sorted := slices.Sorted(slices.Values(p.samples))
	st.P50, st.P99 = quantile(sorted, 50), quantile(sorted, 99)
	return st
}

// quantile is the smallest sample that percent of all are not above.
func quantile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*percent+99)/100-1]
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
