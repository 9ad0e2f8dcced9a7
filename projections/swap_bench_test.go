package projections_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/projections/rebuild"
)

// BenchmarkSwap measures how long readers of the views wait while the tables under them are swapped, and swapped back:
// four of them ask for one order after the other. Beside it the least that it could be: the same readers, and two
// tables that exchange their names in one transaction.
func BenchmarkSwap(b *testing.B) {
	orders, rounds := 4000, 10
	if testing.Short() {
		orders, rounds = 50, 1
	}
	log, url := newLog(b), newDatabase(b)
	pool := newPool(b, url)
	appendMany(b, log, newWorld(91).history(b, orders, 5*orders))
	r := start(b, config(log, url))
	reach(b, log, pool)
	r.stop(b)
	if _, err := pool.Exec(b.Context(), `CREATE SCHEMA bare; CREATE TABLE bare.one AS SELECT * FROM ledger_data.orders;
		ALTER TABLE bare.one ADD PRIMARY KEY (order_id); CREATE TABLE bare.two AS SELECT * FROM bare.one; ALTER TABLE bare.two ADD PRIMARY KEY (order_id)`); err != nil {
		b.Fatal(err)
	}
	cfg := rebuildConfig(b, log, url, b.TempDir())
	cfg.ReadersWait = rebuild.DefaultReadersWait
	e := newEngine(b, cfg)
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	var swaps, backs, bares []time.Duration
	var read, readBare waits
	for b.Loop() {
		for range rounds {
			must(e.Run(b.Context()))
			_, err := e.Verify(b.Context())
			must(err)
			swaps = append(swaps, read.during(b, pool, "ledger.orders", func() { must(e.Swap(b.Context(), "")) }))
			backs = append(backs, read.during(b, pool, "ledger.orders", func() { must(e.Rollback(b.Context(), true)) }))
			bares = append(bares, readBare.during(b, pool, "bare.one", func() {
				_, err := pool.Exec(b.Context(), `BEGIN; ALTER TABLE bare.one RENAME TO aside; ALTER TABLE bare.two RENAME TO one;
					ALTER TABLE bare.aside RENAME TO two; COMMIT`)
				must(err)
			}))
			must(e.Drop(b.Context(), ""))
		}
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(slices.Max(swaps)), "swap-max-ms")
	b.ReportMetric(ms(slices.Max(backs)), "rollback-max-ms")
	b.ReportMetric(ms(slices.Max(bares)), "bare-max-ms")
	b.ReportMetric(ms(read.at(.5)), "read-p50-ms")
	b.ReportMetric(ms(read.at(.99)), "read-p99-ms")
	b.ReportMetric(ms(read.at(1)), "read-max-ms")
	b.ReportMetric(ms(readBare.at(1)), "bare-read-max-ms")
	b.ReportMetric(ms(read.at(1))/ms(readBare.at(1)), "read-max-to-bare")
	if read.failed != nil {
		b.Errorf("a reader failed: %v", read.failed)
	}
}

// waits is how long readers waited for their answers.
type waits struct {
	mu     sync.Mutex
	all    []time.Duration
	failed error
}

// at is a quantile.
func (w *waits) at(q float64) time.Duration {
	slices.Sort(w.all)
	return w.all[min(len(w.all)-1, int(q*float64(len(w.all))))]
}

// during has readers read while something is done, and for a moment before and after, and tells how long it took.
func (w *waits) during(b *testing.B, pool *pgxpool.Pool, from string, do func()) time.Duration {
	b.Helper()
	const readers, before = 4, 50
	ctx, stop := context.WithCancel(b.Context())
	var reading, warm sync.WaitGroup
	for range readers {
		warm.Add(1)
		reading.Go(func() {
			var mine []time.Duration
			for ctx.Err() == nil {
				began := time.Now()
				var n int
				err := pool.QueryRow(b.Context(), "SELECT count(*) FROM "+from+" WHERE order_id = (SELECT min(order_id) FROM "+from+")").Scan(&n)
				mine = append(mine, time.Since(began))
				if err != nil || n != 1 {
					w.mu.Lock()
					w.failed = err
					w.mu.Unlock()
				}
				if len(mine) == before {
					warm.Done()
				}
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.all = append(w.all, mine...)
		})
	}
	warm.Wait()
	began := time.Now()
	do()
	took := time.Since(began)
	stop()
	reading.Wait()
	return took
}
