package projections

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrapeTimeout bounds asking the log for its head while metrics are collected.
const scrapeTimeout = time.Second

// Collector gives the runner's status to Prometheus. Positions are commit positions; the difference
// of two of them is no number of events.
func (r *Runner) Collector() prometheus.Collector {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("ledger_projections_"+name, help, labels, nil)
	}
	return &collector{
		runner:   r,
		role:     describe("role", "1 for the role that the runner has: starting, standby, leader, rebuild needed or stopped.", "role"),
		live:     describe("live", "1 when the runner leads and has caught up with the log."),
		behind:   describe("behind", "1 when the log holds events after the checkpoint, or does not answer."),
		position: describe("checkpoint_position", "Commit position that all views stand at."),
		head:     describe("log_head_position", "Commit position of the last event in the log."),
		epoch:    describe("epoch", "Epoch of the checkpoint: it grows with each change of leader."),
		events:   describe("events_total", "Events projected by this process."),
		orders:   describe("orders_total", "Orders written by this process, once per batch that touched them."),
		batches:  describe("batches_total", "Transactions with events, committed by this process."),
		batch:    describe("last_batch_events", "Events in the last transaction."),
		took:     describe("last_batch_seconds", "Duration of the last transaction in seconds."),
		rate:     describe("events_per_second", "Events projected per second, over the last second with events."),
		parked:   describe("parked_orders", "Orders that cannot be projected at present."),
		failures: describe("failures_total", "Interruptions of projecting: lost connections, lost leaderships, refused batches."),
		last:     describe("last_event_timestamp_seconds", "Unix time at which the newest projected event was stored."),
	}
}

type collector struct {
	runner *Runner

	role, live, behind, position, head, epoch, events, orders, batches, batch, took, rate, parked, failures,
	last *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	st := c.runner.Status(ctx)
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	for _, role := range []Role{Starting, Standby, Leader, Stale, Stopped} {
		gauge(c.role, one(st.Role == role), string(role))
	}
	gauge(c.live, one(st.Live))
	gauge(c.behind, one(st.Behind))
	gauge(c.position, float64(st.Checkpoint.Position.Commit))
	gauge(c.head, float64(st.Head.Commit))
	gauge(c.epoch, float64(st.Checkpoint.Epoch))
	counter(c.events, st.Events)
	counter(c.orders, st.Orders)
	counter(c.batches, st.Batches)
	gauge(c.batch, float64(st.LastBatchEvents))
	gauge(c.took, st.LastBatchTook.Seconds())
	gauge(c.rate, st.EventsPerSecond)
	gauge(c.parked, float64(st.Parked))
	counter(c.failures, st.Failures)
	if !st.LastEventAt.IsZero() {
		gauge(c.last, float64(st.LastEventAt.UnixMilli())/1000)
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
