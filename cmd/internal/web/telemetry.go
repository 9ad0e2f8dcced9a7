package web

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the HTTP layer counts.
type metrics struct {
	notifications *prometheus.CounterVec
	refused       *prometheus.CounterVec
	durations     *prometheus.HistogramVec
	connections   prometheus.Counter // refused
	webhooks      *prometheus.CounterVec
}

func newMetrics() *metrics {
	return &metrics{
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ledger_notifications_total",
			Help: "Notifications taken in, by gateway, door, outcome and, where one applies, code.",
		}, []string{"gateway", "via", "outcome", "code"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ledger_webhooks_refused_total",
			Help: "Webhooks that were not taken in, by gateway and code.",
		}, []string{"gateway", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "ledger_webhook_duration_seconds",
			Help:    "Time from a webhook's arrival to its durable acceptance, in seconds.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"gateway"}),
		connections: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ledger_http_connections_refused_total", Help: "HTTP connections answered with 503 because too many were open.",
		}),
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ledger_webhook_deliveries_total", Help: "Attempts to deliver outgoing webhooks, by subscriber and outcome.",
		}, []string{"subscriber", "outcome"}),
	}
}

// sent counts an attempt to deliver an outgoing webhook.
func (m *metrics) sent(subscriber string, delivered bool) {
	outcome := "failed"
	if delivered {
		outcome = "delivered"
	}
	m.webhooks.WithLabelValues(subscriber, outcome).Inc()
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, out) }

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	m.notifications.Collect(out)
	m.refused.Collect(out)
	m.durations.Collect(out)
	m.connections.Collect(out)
	m.webhooks.Collect(out)
}

func (m *metrics) took(gateway string, since time.Time) {
	m.durations.WithLabelValues(gateway).Observe(time.Since(since).Seconds())
}
