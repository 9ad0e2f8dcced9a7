package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/order-ledger/order-ledger/eventstore/node"
)

// nodeMetric is one number of the embedded node.
type nodeMetric struct {
	description *prometheus.Desc
	kind        prometheus.ValueType
	value       func(node.Stats) float64
}

// storeMetrics shows the embedded node's numbers. It has none of another engine, which has its own.
type storeMetrics struct {
	store  *Store
	failed *prometheus.Desc
	node   []nodeMetric
}

// Collector makes the event store's metrics.
func (s *Store) Collector() prometheus.Collector {
	metric := func(name, help string, kind prometheus.ValueType, value func(node.Stats) float64) nodeMetric {
		return nodeMetric{prometheus.NewDesc("ledger_eventstore_"+name, help, nil, nil), kind, value}
	}
	return &storeMetrics{
		store: s,
		failed: prometheus.NewDesc("ledger_eventstore_failed",
			"1 when the embedded node stopped writing, after a failed write or fsync, and has to be started again.", nil, nil),
		node: []nodeMetric{
			metric("head_position", "Position of the last durable event.", prometheus.GaugeValue,
				func(s node.Stats) float64 { return float64(s.Head) }),
			metric("appends_total", "Appends written since the start; repetitions and refusals are not counted.", prometheus.CounterValue,
				func(s node.Stats) float64 { return float64(s.Appends) }),
			metric("syncs_total", "Groups of appends that were synced to the disk together.", prometheus.CounterValue,
				func(s node.Stats) float64 { return float64(s.Groups) }),
			metric("queued_appends", "Appends that wait for the writer.", prometheus.GaugeValue,
				func(s node.Stats) float64 { return float64(s.Queued) }),
			metric("subscriptions", "Open subscriptions, the ledger's own included.", prometheus.GaugeValue,
				func(s node.Stats) float64 { return float64(s.Subscriptions) }),
			metric("disk_bytes", "Bytes of the log on the disk; 0 when it failed.", prometheus.GaugeValue,
				func(s node.Stats) float64 { return float64(s.DiskBytes) }),
		},
	}
}

// Describe implements prometheus.Collector.
func (m *storeMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- m.failed
	for _, metric := range m.node {
		out <- metric.description
	}
}

// Collect implements prometheus.Collector.
func (m *storeMetrics) Collect(out chan<- prometheus.Metric) {
	if m.store.Node == nil {
		return
	}
	failed := 0.0
	if m.store.Err() != nil {
		failed = 1
	}
	out <- prometheus.MustNewConstMetric(m.failed, prometheus.GaugeValue, failed)
	stats := m.store.Node.Stats()
	for _, metric := range m.node {
		out <- prometheus.MustNewConstMetric(metric.description, metric.kind, metric.value(stats))
	}
}
