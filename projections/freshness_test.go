package projections_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/freshness"
)

// startProber runs a prober with a short interval until the test ends.
func startProber(tb testing.TB, log eventstore.Appender, pool *pgxpool.Pool, staleAfter time.Duration) *freshness.Prober {
	tb.Helper()
	p := freshness.New(freshness.Config{
		Log: log, Logger: slog.New(slog.DiscardHandler), Clock: time.Now, Interval: 2 * time.Millisecond, StaleAfter: staleAfter,
		Views: func() checkpoint.Querier { return pool },
	})
	measure(tb, p)
	return p
}

// measure runs a prober until the test ends.
func measure(tb testing.TB, p *freshness.Prober) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				tb.Errorf("the prober ended with %v", err)
			}
		case <-time.After(deadline):
			tb.Error("the prober does not stop")
		}
	})
}

// TestFreshness_CanariesAreSeenAtOnce: a canary does not wait for the idle checkpoint, and leaves no
// trace in any view but the checkpoint.
func TestFreshness_CanariesAreSeenAtOnce(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	cfg := config(log, url)
	cfg.IdleCheckpoint = time.Hour
	r := start(t, cfg)
	p := startProber(t, log, pool, time.Hour)
	eventually(t, "twenty canaries", func() bool { return p.Status().Canaries >= 20 })
	if st := p.Status(); st.P50 <= 0 || st.P99 < st.P50 || st.Samples < 20 || st.Stale {
		t.Errorf("freshness: %+v", st)
	}
	if got := dump(t, pool); strings.Count(got, "\n") != 1 {
		t.Errorf("canaries left rows: %s", got)
	}
	if st := r.Status(t.Context()); st.Events != 0 || st.Failures != 0 {
		t.Errorf("canaries were projected: %+v", st)
	}
	shown := 0
	for _, err := range log.ReadStream(t.Context(), "canary-views", eventstore.StreamRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		shown++
	}
	if shown > 10 {
		t.Errorf("the stream keeps %d canaries: it is not limited", shown)
	}
}

// TestFreshness_BesideTraffic: rows and canaries in one log give the rows that the log without canaries
// gives, but for positions.
func TestFreshness_BesideTraffic(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	start(t, config(log, url))
	p := startProber(t, log, pool, time.Hour)
	all := newWorld(51).history(t, 10, 80)
	for i, a := range all {
		appendAll(t, log, []appended{a})
		if i%8 == 0 {
			seen := p.Status().Canaries
			eventually(t, "another canary", func() bool { return p.Status().Canaries > seen })
		}
	}
	reach(t, log, pool)
	same(t, "with canaries", without(project(t, healthyLog(t, all), nil), "no order"), without(dump(t, pool), "no order"))
}

// deafLog follows nothing while it is deaf: the subscription lives, and shows nothing. The runner
// cannot know.
type deafLog struct {
	eventstore.Store
	deaf atomic.Bool
}

var errDeaf = errors.New("the subscription was dead")

func (d *deafLog) SubscribeAll(ctx ctxt, sub eventstore.AllSubscription) messages {
	return func(yield func(eventstore.Message, error) bool) {
		for m, err := range d.Store.SubscribeAll(ctx, sub) {
			tick := time.NewTicker(time.Millisecond)
			wasDeaf := false
			for d.deaf.Load() && ctx.Err() == nil {
				wasDeaf = true
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
			tick.Stop()
			if wasDeaf {
				yield(nil, errDeaf)
				return
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

// TestFreshness_DeadReader: a reader that says nothing is wrong and reads nothing is found out without
// any traffic, and so is a database that is away.
func TestFreshness_DeadReader(t *testing.T) {
	t.Parallel()
	log, url := &deafLog{Store: newLog(t)}, newDatabase(t)
	pool := newPool(t, url)
	r := start(t, config(log, url))
	p := startProber(t, log, pool, 300*time.Millisecond)
	eventually(t, "a canary", func() bool { st := p.Status(); return st.Canaries > 0 && !st.Stale })
	log.deaf.Store(true)
	eventually(t, "the dead reader to show", func() bool {
		st := p.Status()
		return st.Stale && strings.Contains(st.Error, "the views stand at")
	})
	if st := r.Status(t.Context()); st.LastError != "" {
		t.Errorf("the runner knew: %s", st.LastError)
	}
	log.deaf.Store(false)
	eventually(t, "freshness to come back", func() bool { st := p.Status(); return !st.Stale && st.Error == "" })

	none := freshness.New(freshness.Config{
		Log: log, Logger: slog.New(slog.DiscardHandler), Clock: time.Now, Interval: time.Millisecond, StaleAfter: 20 * time.Millisecond,
		Views: func() checkpoint.Querier { return nil },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = none.Run(ctx)
	}()
	eventually(t, "a missing database to show", func() bool { return none.Status().Stale })
	cancel()
	<-done
}
