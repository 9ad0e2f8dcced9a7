package feed

import "github.com/prometheus/client_golang/prometheus"

// Why streams end, as the metric names it.
const (
	endedByClient   = "client"   // the client went away
	endedSlow       = "slow"     // it took nothing for Config.WriteTimeout, or less than Config.DownloadRate
	endedStopping   = "stopping" // the ledger ended
	endedRevoked    = "revoked"  // its token counts no more
	endedUnreadable = "log"      // the log could not be read
)

// metrics are what the feed counts.
type metrics struct {
	events    *prometheus.CounterVec
	ended     *prometheus.CounterVec
	followers prometheus.GaugeFunc
}

func newMetrics(followers func() float64) *metrics {
	return &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ledger_feed_events_total", Help: "Events handed to clients of the feed, by format.",
		}, []string{"format"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ledger_feed_ended_total", Help: "Streams of the feed that ended, and pages that were cut off, by reason: client, slow, stopping, revoked or log.",
		}, []string{"reason"}),
		followers: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ledger_feed_followers", Help: "Streams and long polls that are open.",
		}, followers),
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, out) }

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	m.events.Collect(out)
	m.ended.Collect(out)
	m.followers.Collect(out)
}
