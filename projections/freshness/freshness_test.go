package freshness_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/freshness"
)

// clockwork is a log and views that see each event a few milliseconds after it, unless they are held up, in the time of
// a synctest bubble: stalls of minutes are too long for real ones.
type clockwork struct {
	mu      sync.Mutex
	written []time.Time
	seen    int
	held    bool
}

const sees = 4 * time.Millisecond

// Append implements eventstore.Appender.
func (c *clockwork) Append(_ context.Context, stream string, _ eventstore.ExpectedRevision, _ ...eventstore.EventData) (eventstore.AppendResult, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stream == "canary-views" {
		c.written = append(c.written, time.Now())
	}
	return eventstore.AppendResult{Position: position(len(c.written))}, nil
}

func position(n int) eventstore.Position {
	return eventstore.Position{Commit: uint64(n), Prepare: uint64(n)}
}

func (c *clockwork) hold(held bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = held
}

// QueryRow implements checkpoint.Querier.
func (c *clockwork) QueryRow(context.Context, string, ...any) pgx.Row {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.held && c.seen < len(c.written) && time.Since(c.written[c.seen]) >= sees {
		c.seen++
	}
	return row(c.seen)
}

type row int64

// Scan implements pgx.Row.
func (r row) Scan(into ...any) error {
	if len(into) != 6 {
		return fmt.Errorf("%d columns", len(into))
	}
	at := int64(r)
	*into[0].(*int64), *into[1].(**int64), *into[2].(**int64), *into[3].(*time.Time) = 1, &at, &at, time.Now()
	*into[4].(**int64), *into[5].(**uuid.UUID) = nil, nil
	return nil
}

// measure runs a prober with the default interval.
func measure(t *testing.T) (*clockwork, *freshness.Prober) {
	t.Helper()
	c := &clockwork{}
	p := freshness.New(freshness.Config{
		Log: c, Logger: slog.New(slog.DiscardHandler), Clock: time.Now, Views: func() checkpoint.Querier { return c },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Run(ctx) // it only measures
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return c, p
}

// pass lets time of the bubble pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// histogram is how many were measured, and how many of them took no longer than most.
func histogram(t *testing.T, p *freshness.Prober, most float64) (all, within uint64) {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(p)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "ledger_commit_to_visible_seconds" {
			continue
		}
		h := f.GetMetric()[0].GetHistogram()
		for _, b := range h.GetBucket() {
			if math.Abs(b.GetUpperBound()-most) < 1e-9 {
				within = b.GetCumulativeCount()
			}
		}
		return h.GetSampleCount(), within
	}
	t.Fatal("no histogram")
	return 0, 0
}

func between(t *testing.T, what string, got, least, most time.Duration) {
	t.Helper()
	if got < least || got > most {
		t.Errorf("%s is %s, not from %s to %s", what, got, least, most)
	}
}

// A stall counts with all that came meanwhile: a second's canary each, while it lasts and after it. Only how long it
// usually takes, which a rebuild gives way by, and the newest are not spoilt by it.
func TestProber_AStallIsAsManyMeasurementsAsItHasSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, p := measure(t)
		pass(9*time.Minute + 500*time.Millisecond)
		if st := p.Status(); st.Samples < 535 || st.Samples > 541 || st.P99 > 2*sees || st.P50 < sees {
			t.Errorf("after nine minutes: %+v", st)
		}
		before, _ := histogram(t, p, 1)

		c.hold(true)
		pass(30 * time.Second)
		st := p.Status()
		between(t, "p99 half a minute into the stall", st.P99, 20*time.Second, 30*time.Second)
		if latest, ok := p.Latest(); !ok || latest < 29*time.Second {
			t.Errorf("the newest: %s, %t", latest, ok)
		}
		pass(30 * time.Second)
		c.hold(false)
		pass(500 * time.Millisecond)

		st = p.Status()
		between(t, "p99 after a minute's stall", st.P99, 50*time.Second, 61*time.Second)
		between(t, "p50 after a minute's stall", st.P50, sees, 2*sees)
		all, fast := histogram(t, p, 1)
		if stalled := all - before; stalled < 59 || stalled > 61 {
			t.Errorf("%d measurements of a minute", stalled)
		}
		if slow := all - fast; slow < 58 || slow > 60 { // the last took less than a second
			t.Errorf("%d of more than a second", slow)
		}
		if usual, ok := p.Usual(); !ok || usual > 2*sees {
			t.Errorf("it usually takes %s, %t", usual, ok)
		}
		pass(6 * time.Second)
		if latest, ok := p.Latest(); !ok || latest > 2*sees {
			t.Errorf("the newest after it: %s, %t", latest, ok)
		}
		pass(10 * time.Minute)
		if st := p.Status(); st.P99 > 2*sees || st.Samples < 595 || st.Samples > 601 {
			t.Errorf("ten minutes later: %+v", st)
		}
	})
}

// The window is of ten minutes, however many canaries somebody wants meanwhile, and those do not outweigh the others.
func TestProber_HurriedCanariesDoNotPushOutTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, p := measure(t)
		pass(100500 * time.Millisecond)
		c.hold(true)
		pass(20 * time.Second)
		c.hold(false)
		pass(time.Second)
		calm := p.Often()
		seen := p.Status().Canaries
		pass(6 * time.Minute)
		if hurried := p.Status().Canaries - seen; hurried < 3000 {
			t.Errorf("%d canaries in six minutes when they are to come often", hurried)
		}
		calm()
		st := p.Status()
		between(t, "p99 of a stall seven minutes ago", st.P99, 10*time.Second, 21*time.Second)
		if st.Samples < 470 || st.Samples > 484 {
			t.Errorf("%d measurements of 481 s", st.Samples)
		}
		c.hold(true)
		defer p.Often()()
		at := p.Status().Canaries
		pass(time.Minute)
		c.hold(false)
		pass(50 * time.Millisecond)
		if n := p.Status().Canaries - at; n > 65 {
			t.Errorf("%d canaries in a minute in which none was seen", n)
		}
	})
}

// Whoever is not seen for longer than the window counts with that, and is forgotten.
func TestProber_AStallLongerThanTheWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, p := measure(t)
		pass(500 * time.Millisecond)
		c.hold(true)
		pass(40 * time.Minute)
		st := p.Status()
		if st.Samples > 601 || !st.Stale {
			t.Errorf("after forty minutes: %+v", st)
		}
		between(t, "p50", st.P50, 4*time.Minute, 6*time.Minute)
		all, fast := histogram(t, p, 300)
		if slow := all - fast; slow < 1780 || slow > 1810 {
			t.Errorf("%d of more than five minutes", slow)
		}
		c.hold(false)
		pass(5 * time.Second)
		if st := p.Status(); st.Stale || st.Age > 2*time.Second {
			t.Errorf("after it: %+v", st)
		}
		all, _ = histogram(t, p, 300)
		if all < 2395 || all > 2410 {
			t.Errorf("%d measurements of forty minutes", all)
		}
	})
}
