package projections_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/freshness"
)

// A runner that does not lead tells, also to who collects metrics, where the views stand and how many orders are parked:
// a standby, and one that waits for a rebuild, which is also what the views' being stale is explained by.
func TestRunner_TellsOfViewsThatItDoesNotWrite(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(71)
	appendAll(t, log, w.history(t, 6, 40))
	poison := foreign("OrderTeleported", `{"to":"mars"}`, plainMetadata)
	if _, err := log.Append(t.Context(), "order-01J9ZZZZZZZZZZZZZZZZZZZZZZ", eventstore.Any, poison); err != nil {
		t.Fatal(err)
	}
	cfg := config(log, url)
	cfg.Fingerprint = ownFingerprint(t)
	first := start(t, cfg)
	reach(t, log, pool)
	told := func(r *running, role projections.Role) {
		t.Helper()
		eventually(t, "the runner to be "+string(role), func() bool { return r.Status(t.Context()).Role == role })
		st := r.Status(t.Context())
		at, err := checkpoint.Read(t.Context(), pool)
		if err != nil {
			t.Fatal(err)
		}
		if st.Checkpoint.Position != at.Position || !st.Checkpoint.Known || st.Behind || st.Parked != 1 {
			t.Errorf("%s: %+v, and the views stand at %s with an order parked", role, st, at)
		}
		metrics := prometheus.NewRegistry()
		metrics.MustRegister(r.Collector())
		for name, want := range map[string]float64{"checkpoint_position": float64(at.Position.Commit), "behind": 0, "parked_orders": 1} {
			if got := gauge(t, metrics, "ledger_projections_"+name); got != want {
				t.Errorf("%s: %s is %v, want %v", role, name, got, want)
			}
		}
	}
	told(start(t, cfg), projections.Standby)
	appendAll(t, log, w.history(t, 1, 5))
	reach(t, log, pool)
	second := start(t, cfg)
	told(second, projections.Standby)
	if why := second.WhyHeldUp(); why != "" {
		t.Errorf("a standby is held up: %s", why)
	}
	first.stop(t)
}

// Views that wait for a rebuild are late for that reason, and nobody else is blamed.
func TestRunner_TellsOfViewsThatWaitForARebuild(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendAll(t, log, newWorld(72).history(t, 6, 40))
	cfg := config(log, url)
	cfg.Fingerprint = ownFingerprint(t)
	r := start(t, cfg)
	reach(t, log, pool)
	r.stop(t)
	at, err := checkpoint.Read(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}

	cfg.Fingerprint["fold"] = "another"
	r = start(t, cfg)
	eventually(t, "the runner to refuse", func() bool { return r.Status(t.Context()).Role == projections.Stale })
	if st := r.Status(t.Context()); st.Checkpoint.Position != at.Position || !st.Checkpoint.Known || st.Behind {
		t.Errorf("%+v, and the views stand at %s, at the end of the log", st, at)
	}
	p := freshness.New(freshness.Config{
		Log: log, Logger: slog.New(slog.DiscardHandler), Clock: time.Now, Interval: time.Millisecond, StaleAfter: 20 * time.Millisecond,
		Views: func() checkpoint.Querier { return pool }, Why: r.WhyHeldUp,
	})
	measure(t, p)
	eventually(t, "the views to be stale", func() bool { st := p.Status(); return st.Stale && st.Error != "" })
	if st := p.Status(); !strings.Contains(st.Error, "rebuild needed") || strings.Contains(st.Error, "held up") {
		t.Errorf("freshness: %s", st.Error)
	}
	if st := r.Status(t.Context()); !st.Behind {
		t.Errorf("canaries wait, and the views are not behind: %+v", st)
	}
}

// gauge is the value of a metric without labels.
func gauge(tb testing.TB, of prometheus.Gatherer, name string) float64 {
	tb.Helper()
	families, err := of.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	tb.Fatalf("no metric %s", name)
	return 0
}
