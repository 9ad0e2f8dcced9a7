package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	DefaultRest     = time.Minute
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
	// of those that changed last, and reads eventsPerOrder times as many events of the log on, to look for orders
	// without rows and to compare what belongs to no order. Rest is the time from the end of the log to its
	// beginning. Zero means the defaults.
	Interval time.Duration
	Orders   int
	Rest     time.Duration
}

// eventsPerOrder is how much of the log is read for each order that is audited: many times what an order has.
const eventsPerOrder = 250

// Standing audits all the time: round after round through all orders, and beside them those that
// changed last; and through the log, for what has no rows and what belongs to no order. It changes nothing.
type Standing struct {
	cfg StandingConfig

	mu     sync.Mutex
	status StandingStatus
	// drifted remembers what differs in which order, so that it is told once.
	drifted map[string]string
	after   string

	// read is how far the log was read, restUntil when it is begun again; windows are those in which something besides
	// orders differed, by the name of its stream.
	read      *eventstore.Position
	restUntil time.Time
	windows   map[string]*eventstore.Position
}

// StandingStatus tells what an auditor found since it was made. Times are by its clock.
type StandingStatus struct {
	// Orders counts audits, Drifted those that found a difference, Sweeps how often all orders were seen, LogSweeps how
	// often the whole log was.
	Orders, Drifted, Sweeps, LogSweeps uint64
	// DriftedNow counts the orders that differed when they were audited last, OthersNow the streams of quarantine,
	// periods and statements.
	DriftedNow, OthersNow int
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
	if cfg.Rest <= 0 {
		cfg.Rest = DefaultRest
	}
	return &Standing{cfg: cfg, drifted: make(map[string]string), windows: make(map[string]*eventstore.Position)}
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
	return s.besides(ctx, db)
}

// besides reads the log on by a window, and once more those in which something differed.
func (s *Standing) besides(ctx context.Context, db Database) error {
	for _, after := range s.someWindows() {
		if _, err := s.window(ctx, db, after); err != nil {
			return err
		}
	}
	if s.cfg.Clock().Before(s.restUntil) {
		return nil
	}
	w, err := s.window(ctx, db, s.read)
	if err != nil {
		return err
	}
	if s.read = &w.To; w.Complete {
		s.read, s.restUntil = nil, s.cfg.Clock().Add(s.cfg.Rest)
		s.mu.Lock()
		s.status.LogSweeps++
		s.mu.Unlock()
	}
	return nil
}

// someWindows returns windows in which something differed: somebody may have healed it.
func (s *Standing) someWindows() []*eventstore.Position {
	var some []*eventstore.Position
	for _, after := range s.windows {
		if len(some) == s.cfg.Orders {
			break
		}
		if !slices.Contains(some, after) {
			some = append(some, after)
		}
	}
	return some
}

// window audits a window of the log. What differs in it is forgotten when it does not any more.
func (s *Standing) window(ctx context.Context, db Database, after *eventstore.Position) (Window, error) {
	w, err := Besides(ctx, db, s.cfg.Log, after, uint64(s.cfg.Orders)*eventsPerOrder, false)
	if err != nil {
		return w, err
	}
	for _, id := range w.Missing {
		if err := s.audit(ctx, db, id); err != nil {
			return w, err
		}
	}
	for stream, known := range s.windows {
		if known == after && !slices.ContainsFunc(w.Findings, func(f Finding) bool { return f.OrderID == stream }) {
			delete(s.windows, stream)
			s.tell(ctx, &Finding{OrderID: stream})
		}
	}
	for i := range w.Findings {
		f := &w.Findings[i]
		if _, known := s.windows[f.OrderID]; known || len(s.windows) < driftedMost {
			s.windows[f.OrderID] = after
		}
		s.tell(ctx, f)
	}
	return w, nil
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
		if _, other := s.windows[id]; !other {
			some = append(some, id)
		}
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
	s.tell(ctx, &f)
	return nil
}

// tell counts a finding, and logs it when it is news.
func (s *Standing) tell(ctx context.Context, f *Finding) {
	if !s.found(f) {
		return
	}
	if len(f.Drift) == 0 {
		s.cfg.Logger.InfoContext(ctx, "the views say again what the log says", slog.String("order_id", f.OrderID))
		return
	}
	fields := make([]string, 0, len(f.Drift))
	for _, d := range f.Drift {
		fields = append(fields, d.Field)
	}
	s.cfg.Logger.ErrorContext(ctx, "the views differ from the log",
		slog.String("order_id", f.OrderID), slog.String("position", f.Position), slog.Any("fields", fields),
		slog.String("first_log", f.Drift[0].Log), slog.String("first_views", f.Drift[0].Views))
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
	for id := range s.drifted {
		if isBesides(id) {
			st.OthersNow++
		} else {
			st.DriftedNow++
		}
	}
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
	counter("log_sweeps_total", "How often the whole log was read for what has no rows, or belongs to no order.", st.LogSweeps)
	gauge := func(name, help string, v float64) {
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc("ledger_audit_"+name, help, nil, nil), prometheus.GaugeValue, v)
	}
	gauge("drifted_orders", "Orders that differed from the log when they were audited last.", float64(st.DriftedNow))
	gauge("drifted_others", "Streams of quarantine, periods and statements whose rows differed when they were audited last.", float64(st.OthersNow))
	failed := 0.0
	if st.LastError != "" {
		failed = 1
	}
	gauge("failing", "1 when the last round could not be audited.", failed)
}
