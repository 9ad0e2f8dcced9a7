package push

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// standingEvery is how often the database is asked how subscribers stand.
const standingEvery = 2 * time.Second

// Standing is how the configured subscribers stand, for those who watch.
type Standing struct {
	Subscribers []Status
	// BehindSince is, by subscriber, when the oldest event was recorded that is not planned yet. Those that are
	// planned up to the end are not in it.
	BehindSince map[string]time.Time
}

// standing is what is known between two looks.
type standing struct {
	mu   sync.Mutex
	is   Standing
	held map[string]bool // by this process, which has looked into the log
}

// Standing is how the configured subscribers stood a moment ago. The caller MUST NOT change it.
func (p *Pusher) Standing() Standing {
	p.standing.mu.Lock()
	defer p.standing.mu.Unlock()
	is := p.standing.is
	is.BehindSince = maps.Clone(is.BehindSince)
	return is
}

// behindSince notes since when a subscriber's planning is behind; zero is not at all.
func (p *Pusher) behindSince(subscriber string, since time.Time) {
	p.standing.mu.Lock()
	defer p.standing.mu.Unlock()
	if since.IsZero() {
		delete(p.standing.is.BehindSince, subscriber)
		return
	}
	if p.standing.is.BehindSince == nil {
		p.standing.is.BehindSince = map[string]time.Time{}
	}
	p.standing.is.BehindSince[subscriber] = since
}

// lookedInto tells whether this process holds a subscriber's deliveries back, and notes that it does.
func (p *Pusher) lookedInto(subscriber string, held bool) (before bool) {
	p.standing.mu.Lock()
	defer p.standing.mu.Unlock()
	before = p.standing.held[subscriber]
	if p.standing.held == nil {
		p.standing.held = map[string]bool{}
	}
	p.standing.held[subscriber] = before || held
	return before
}

// watch looks how subscribers stand, and notes which are configured.
func (p *Pusher) watch(ctx context.Context) error {
	for ctx.Err() == nil {
		pool, err := p.pool()
		if err != nil {
			return err
		}
		names := p.configured()
		_, err = pool.Exec(ctx, "UPDATE ledger_push.subscribers SET configured = name = ANY ($1) WHERE configured <> (name = ANY ($1))", names)
		if err != nil {
			return err
		}
		all, err := List(ctx, pool)
		if err != nil {
			return err
		}
		var ours []Status
		for i := range all {
			if all[i].Configured {
				ours = append(ours, all[i])
			}
		}
		p.standing.mu.Lock()
		p.standing.is.Subscribers = ours
		p.standing.mu.Unlock()
		pause(ctx, standingEvery)
	}
	return nil
}

// collector shows how subscribers stand.
type collector struct {
	p                                              *Pusher
	disabled, held, waiting, dead, oldest, planned *prometheus.Desc
}

// Collector gives the metrics of how subscribers stand.
func (p *Pusher) Collector() prometheus.Collector {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("ledger_webhook_"+name, help, []string{"subscriber"}, nil)
	}
	return &collector{
		p:        p,
		disabled: describe("subscriber_disabled", "1 while a subscriber of outgoing webhooks is disabled."),
		held:     describe("subscriber_held", "1 while deliveries are held back because the log is not the one that they were planned from."),
		waiting:  describe("deliveries_waiting", "Deliveries that are planned and not done."),
		dead:     describe("dead_letters", "Deliveries that were given up and wait for an operator."),
		oldest:   describe("oldest_waiting_seconds", "Age of the delivery that has waited longest, in seconds."),
		planned:  describe("planning_behind_seconds", "Age of the oldest event that was read and is not planned yet, in seconds."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.disabled, c.held, c.waiting, c.dead, c.oldest, c.planned} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	is, now := c.p.Standing(), c.p.c.Clock()
	for i := range is.Subscribers {
		s := &is.Subscribers[i]
		gauge := func(d *prometheus.Desc, value float64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, s.Name)
		}
		gauge(c.disabled, oneIf(s.DisabledAt != nil))
		gauge(c.held, oneIf(s.HeldAt != nil))
		gauge(c.waiting, float64(s.Pending))
		gauge(c.dead, float64(s.Dead))
		gauge(c.oldest, since(s.OldestPendingAt, now))
		behind, ok := is.BehindSince[s.Name]
		if !ok {
			behind = now
		}
		gauge(c.planned, since(&behind, now))
	}
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func since(at *time.Time, now time.Time) float64 {
	if at == nil {
		return 0
	}
	return max(now.Sub(*at).Seconds(), 0)
}
