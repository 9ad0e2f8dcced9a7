package projections_test

import (
	"bytes"
	"flag"
	"runtime/debug"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/projections/rebuild"
)

var rebuildOrders = flag.Int("rebuild-orders", 20_000, "orders in the log of BenchmarkRebuild")

// rebuildGC is what `ledger rebuild` has the garbage collector wait for.
const rebuildGC = 300

// BenchmarkRebuild rebuilds all models, verified and swapped, and measures beside it, in the same run and
// on all processors alike, what it is made of: reading and decoding the log alone, and COPYing the same rows of
// all tables alone into tables without keys.
func BenchmarkRebuild(b *testing.B) {
	log, err := node.Open(node.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	appendMany(b, log, newWorld(1).typical(b, *rebuildOrders))
	events := count(b, log)
	url := newDatabase(b)
	pool := newPool(b, url)
	r := start(b, config(log, url))
	reach(b, log, pool)
	r.stop(b)
	defer debug.SetGCPercent(debug.SetGCPercent(rebuildGC))
	for b.Loop() {
		stages := make(map[string]time.Duration)
		stage, since := "", time.Now()
		cfg := rebuildConfig(b, log, url, b.TempDir())
		cfg.UnitBytes, cfg.MarkEvery = rebuild.DefaultUnitBytes, rebuild.DefaultMarkEvery
		cfg.Progress = func(p rebuild.Progress) {
			if p.Stage != stage {
				stages[stage] += time.Since(since)
				stage, since = p.Stage, time.Now()
			}
		}
		e := newEngine(b, cfg)
		began := time.Now()
		if _, err := e.All(b.Context(), ""); err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		b.StopTimer()
		stages[stage] += time.Since(since)
		rate := float64(events) / took.Seconds()
		decoded := decodeAlone(b, log, events)
		copied := copyAll(b, url, events)
		b.ReportMetric(rate, "events/s")
		b.ReportMetric(decoded, "decode-events/s")
		b.ReportMetric(copied, "copy-events/s")
		b.ReportMetric(rate/min(decoded, copied), "of-slower")
		for name, d := range stages {
			if name != "" {
				b.ReportMetric(float64(events)/d.Seconds(), name+"-events/s")
			}
		}
		b.StartTimer()
	}
}

// copyAll takes the rows of all tables out and returns at which rate, in events a second, one connection COPYs them into
// tables of the same shape without keys and indexes.
func copyAll(b *testing.B, url string, events int) float64 {
	b.Helper()
	ctx := b.Context()
	conn := newConn(b, url)
	rows, err := conn.Query(ctx, "SELECT relname::text FROM pg_class WHERE relnamespace = 'ledger_data'::regnamespace AND relkind = 'r'")
	if err != nil {
		b.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		b.Fatal(err)
	}
	if _, err := conn.Exec(ctx, "CREATE SCHEMA copied; SET synchronous_commit = off"); err != nil {
		b.Fatal(err)
	}
	var took time.Duration
	for _, table := range tables {
		var data bytes.Buffer
		if _, err := conn.PgConn().CopyTo(ctx, &data, "COPY ledger_data."+table+" TO STDOUT (FORMAT binary)"); err != nil {
			b.Fatal(err)
		}
		if _, err := conn.Exec(ctx, "CREATE TABLE copied."+table+" (LIKE ledger_data."+table+")"); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if _, err := conn.PgConn().CopyFrom(ctx, &data, "COPY copied."+table+" FROM STDIN (FORMAT binary)"); err != nil {
			b.Fatal(err)
		}
		took += time.Since(began)
	}
	if _, err := conn.Exec(ctx, "DROP SCHEMA copied CASCADE"); err != nil {
		b.Fatal(err)
	}
	return float64(events) / took.Seconds()
}

// decodeAlone reads and decodes the log in one goroutine and returns how many events a second.
func decodeAlone(b *testing.B, log eventstore.Reader, events int) float64 {
	b.Helper()
	began := time.Now()
	for ev, err := range log.ReadAll(b.Context(), eventstore.AllRead{}) {
		if err != nil {
			b.Fatal(err)
		}
		if ev.Stream[0] == '$' {
			continue
		}
		if _, _, err := order.Decode(ev.Type, ev.Data, ev.Metadata); err != nil {
			b.Fatal(err)
		}
	}
	return float64(events) / time.Since(began).Seconds()
}
