package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/refold"
)

// Defaults of StandingConfig.
const (
	DefaultInterval = time.Second
	DefaultOrders   = 4
)

// driftedMost bounds the orders that are remembered as drifted; more are counted and logged each time.
const driftedMost = 10_000

// newestEvents is how far back from the end of the log a round looks for orders that changed lately.
const newestEvents = 32

// Clock tells the time, for what is shown about the auditor.
type Clock func() time.Time

// StandingConfig is what a standing auditor is made of. Log, Database, Logger and Clock are required.
type StandingConfig struct {
	Log eventstore.Reader
	// Database returns nil while there is none; the round is then left out.
	Database func() Database
	Logger   *slog.Logger
	Clock    Clock
	// Interval is the time between two rounds; a round audits the next Orders orders by id, and as many
	// of those that changed last. Zero means the defaults.
	Interval time.Duration
	Orders   int
}

// Standing audits all the time: round after round through all orders, and beside them those that
// changed last. It changes nothing.
type Standing struct {
	cfg StandingConfig

	mu     sync.Mutex
	status StandingStatus
	// drifted remembers what differs in which order, so that it is told once.
	drifted map[string]string
	after   string
}

// StandingStatus tells what an auditor found since it was made. Times are by its clock.
type StandingStatus struct {
	// Orders counts audits, Drifted those that found a difference, Sweeps how often all orders were seen.
	Orders, Drifted, Sweeps uint64
	// DriftedNow counts the orders that differed when they were audited last.
	DriftedNow int
	// LastDrift is the newest finding, nil when there was none.
	LastDrift *Finding
	// LastRoundAt is when a round ended last; LastError is why the last one could not, empty when it could.
	LastRoundAt time.Time
	LastError   string
}

// NewStanding makes an auditor; Run starts it.
func NewStanding(cfg StandingConfig) *Standing {
	if cfg.Interval <= 0 {
		cfg.Interval = DefaultInterval
	}
	if cfg.Orders <= 0 {
		cfg.Orders = DefaultOrders
	}
	return &Standing{cfg: cfg, drifted: make(map[string]string)}
}

// Run audits until ctx ends.
func (s *Standing) Run(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.Interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		err := s.round(ctx)
		if ctx.Err() != nil {
			return nil
		}
		s.note(err)
	}
}

func (s *Standing) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.LastRoundAt, s.status.LastError = s.cfg.Clock(), ""
	if err != nil {
		s.status.LastError = err.Error()
	}
}

// round audits some orders in turn and some that changed last.
func (s *Standing) round(ctx context.Context) error {
	db := s.cfg.Database()
	if db == nil {
		return nil
	}
	inTurn, err := next(ctx, db, s.after, s.cfg.Orders)
	if err != nil {
		return err
	}
	for _, id := range inTurn {
		if err := s.audit(ctx, db, id); err != nil {
			return err
		}
		s.after = id
	}
	if len(inTurn) < s.cfg.Orders && s.after != "" {
		s.after = ""
		s.mu.Lock()
		s.status.Sweeps++
		s.mu.Unlock()
	}
	lately, err := s.lately(ctx)
	if err != nil {
		return err
	}
	for _, id := range append(lately, s.someDrifted()...) {
		if err := s.audit(ctx, db, id); err != nil {
			return err
		}
	}
	return nil
}

// someDrifted returns orders that differed when they were audited last: somebody may have healed them.
func (s *Standing) someDrifted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var some []string
	for id := range s.drifted {
		if len(some) == s.cfg.Orders {
			break
		}
		some = append(some, id)
	}
	return some
}

// lately returns the orders of the newest events.
func (s *Standing) lately(ctx context.Context) ([]string, error) {
	var found []string
	seen := make(map[string]bool)
	for ev, err := range s.cfg.Log.ReadAll(ctx, eventstore.AllRead{Direction: eventstore.Backwards, Count: newestEvents}) {
		if err != nil {
			return nil, err
		}
		if _, id, ok := order.ParseStreamName(ev.Stream); ok && !seen[id] {
			seen[id] = true
			if found = append(found, id); len(found) == s.cfg.Orders {
				break
			}
		}
	}
	return found, nil
}

func (s *Standing) audit(ctx context.Context, db Database, id string) error {
	f, err := Order(ctx, db, s.cfg.Log, id)
	if errors.Is(err, refold.ErrNotFound) { // healed away meanwhile
		f, err = Finding{OrderID: id}, nil
	}
	if err != nil {
		return err
	}
	if !s.found(&f) {
		return nil
	}
	if len(f.Drift) == 0 {
		s.cfg.Logger.InfoContext(ctx, "the views say again what the log says", slog.String("order_id", id))
		return nil
	}
	fields := make([]string, 0, len(f.Drift))
	for _, d := range f.Drift {
		fields = append(fields, d.Field)
	}
	s.cfg.Logger.ErrorContext(ctx, "the views differ from the log",
		slog.String("order_id", f.OrderID), slog.String("position", f.Position), slog.Any("fields", fields),
		slog.String("first_log", f.Drift[0].Log), slog.String("first_views", f.Drift[0].Views))
	return nil
}

// found counts a finding and reports whether it is news.
func (s *Standing) found(f *Finding) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Orders++
	before, known := s.drifted[f.OrderID]
	if len(f.Drift) == 0 {
		delete(s.drifted, f.OrderID)
		return known
	}
	s.status.Drifted++
	s.status.LastDrift = f
	what := fmt.Sprint(f.Drift)
	if known || len(s.drifted) < driftedMost {
		s.drifted[f.OrderID] = what
	}
	return what != before
}

// Status tells what was found so far.
func (s *Standing) Status() StandingStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	st.DriftedNow = len(s.drifted)
	return st
}

// Collector gives the auditor's status to Prometheus.
func (s *Standing) Collector() prometheus.Collector { return &collector{s} }

type collector struct{ standing *Standing }

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	st := c.standing.Status()
	counter := func(name, help string, v uint64) {
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc("ledger_audit_"+name, help, nil, nil), prometheus.CounterValue, float64(v))
	}
	counter("orders_total", "Orders that were folded again from the log and compared with the views.", st.Orders)
	counter("drifted_orders_total", "Audits that found the views to differ from the log.", st.Drifted)
	counter("sweeps_total", "How often all orders were audited.", st.Sweeps)
	gauge := func(name, help string, v float64) {
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc("ledger_audit_"+name, help, nil, nil), prometheus.GaugeValue, v)
	}
	gauge("drifted_orders", "Orders that differed from the log when they were audited last.", float64(st.DriftedNow))
	failed := 0.0
	if st.LastError != "" {
		failed = 1
	}
	gauge("failing", "1 when the last round could not be audited.", failed)
}
