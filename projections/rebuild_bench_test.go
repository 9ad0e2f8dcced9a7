package projections_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/localpg"
	"github.com/order-ledger/order-ledger/projections/rebuild"
)

var (
	rebuildOrders = flag.Int("rebuild-orders", 20_000, "orders in the log of BenchmarkRebuild")
	rebuildLog    = flag.String("rebuild-log", "", "directory of the log of BenchmarkRebuild, filled when it is not there and kept; empty is a new one")
	rebuildFill   = flag.Bool("rebuild-fill", false, "do nothing but add to the directory of -rebuild-log, which may be there")
	rebuildFsync  = flag.Bool("rebuild-fsync", true, "rebuild in a PostgreSQL that is set up like a ledger's private one; false is one of tests, which does not sync")
)

// ordersAtOnce bounds the histories that wait in memory for being appended.
const ordersAtOnce = 20_000

// rebuildGC is what `ledger rebuild` has the garbage collector wait for.
const rebuildGC = 300

// BenchmarkRebuild rebuilds all models, verified and swapped, and measures beside it, in the same run and
// on all processors alike, what it is made of: reading and decoding the log alone, and COPYing the same rows of
// all tables alone, without keys and with them. It tells the most memory of this process during the rebuild, and on Linux what
// each stage takes: processor time of this process and of PostgreSQL's, bytes written to files, and how idle the machine is.
func BenchmarkRebuild(b *testing.B) {
	dir := *rebuildLog
	if dir == "" {
		dir = filepath.Join(b.TempDir(), "log")
	}
	_, missing := os.Stat(dir)
	log, err := node.Open(node.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	if missing != nil || *rebuildFill {
		at, _, err := log.Head(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		w := newWorld(1 + at.Commit)
		for left := *rebuildOrders; left > 0; left -= ordersAtOnce {
			appendMany(b, log, w.typical(b, min(left, ordersAtOnce)))
			w.orders = nil
		}
	}
	if *rebuildFill {
		return
	}
	events := count(b, log)
	url := rebuildDatabase(b)
	head, _, err := log.Head(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	if err := projections.CatchUp(b.Context(), config(log, url), head); err != nil {
		b.Fatal(err)
	}
	// Live tables of a ledger have been vacuumed long since.
	if _, err := newConn(b, url).Exec(b.Context(), "VACUUM"); err != nil {
		b.Fatal(err)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(rebuildGC))
	debug.FreeOSMemory()
	use := newUsageMeter(b, url)
	for b.Loop() {
		stages := make(map[string]time.Duration)
		used := make(map[string]usage)
		stage, since, usedSince := "", time.Now(), use()
		endStage := func() {
			now := use()
			stages[stage] += time.Since(since)
			used[stage] = used[stage].add(now.since(usedSince))
			since, usedSince = time.Now(), now
		}
		cfg := rebuildConfig(b, log, url, b.TempDir())
		cfg.UnitBytes, cfg.MarkEvery = rebuild.DefaultUnitBytes, rebuild.DefaultMarkEvery
		cfg.Progress = func(p rebuild.Progress) {
			if p.Stage != stage {
				endStage()
				stage = p.Stage
			}
		}
		e := newEngine(b, cfg)
		resetPeak(b)
		began := time.Now()
		if _, err := e.All(b.Context(), ""); err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		b.StopTimer()
		endStage()
		rate := float64(events) / took.Seconds()
		b.ReportMetric(float64(peak(b))/1e6, "peak-RSS-MB")
		decoded := decodeAlone(b, log, events)
		copied, keyed := copyAll(b, url, events)
		b.ReportMetric(rate, "events/s")
		b.ReportMetric(decoded, "decode-events/s")
		b.ReportMetric(copied, "copy-events/s")
		b.ReportMetric(keyed, "copy-and-keys-events/s")
		b.ReportMetric(rate/min(decoded, copied), "of-slower")
		b.ReportMetric(rate/min(decoded, keyed), "of-slower-with-keys")
		b.ReportMetric(float64(events), "events")
		var all usage
		for name, d := range stages {
			all = all.add(used[name])
			if name != "" {
				b.ReportMetric(float64(events)/d.Seconds(), name+"-events/s")
				used[name].report(b, name, events)
			}
		}
		all.report(b, "", events)
		b.StartTimer()
	}
}

// rebuildDatabase is a database with the schema.
func rebuildDatabase(b *testing.B) string {
	b.Helper()
	if !*rebuildFsync {
		return newDatabase(b)
	}
	dir, err := os.MkdirTemp("", "ledger-bench-postgres-") // not b.TempDir: for root the server runs as another user
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	server, err := localpg.Start(b.Context(), localpg.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = server.Stop(context.WithoutCancel(b.Context())) })
	conn, err := pgx.Connect(b.Context(), server.URL())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(b.Context()) }()
	if err := migrate(b.Context(), conn); err != nil {
		b.Fatal(err)
	}
	return server.URL()
}

// resetPeak begins anew to measure the most memory of this process.
func resetPeak(b *testing.B) {
	b.Helper()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Logf("the most memory is that since the process began: %v", err)
	}
}

// peak is the most memory of this process, resident, in bytes; 0 when the system does not tell.
func peak(b *testing.B) (bytes int64) {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscanf(rest, "%d kB", &bytes); err != nil {
		b.Fatal(err)
	}
	return bytes * 1024
}

// copyAll takes the rows of all tables out and returns at which rate, in events a second, one connection COPYs them into
// tables of the same shape without keys and indexes, which are made in the same transaction so that nothing is logged, and at which it does that and makes the keys and indexes.
func copyAll(b *testing.B, url string, events int) (copied, keyed float64) {
	b.Helper()
	ctx := b.Context()
	conn := newConn(b, url)
	list := func(sql string) []string {
		rows, err := conn.Query(ctx, sql)
		if err != nil {
			b.Fatal(err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			b.Fatal(err)
		}
		return found
	}
	do := func(sql string) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			b.Fatal(err)
		}
	}
	do("CREATE SCHEMA copied; SET synchronous_commit = off; SET maintenance_work_mem = '192MB'")
	var took time.Duration
	for _, table := range list("SELECT relname::text FROM pg_class WHERE relnamespace = 'ledger_data'::regnamespace AND relkind = 'r'") {
		data, err := os.Create(filepath.Join(b.TempDir(), table))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := conn.PgConn().CopyTo(ctx, data, "COPY ledger_data."+table+" TO STDOUT (FORMAT binary)"); err != nil {
			b.Fatal(err)
		}
		if _, err := data.Seek(0, io.SeekStart); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		do("BEGIN; CREATE TABLE copied." + table + " (LIKE ledger_data." + table + ")")
		if _, err := conn.PgConn().CopyFrom(ctx, data, "COPY copied."+table+" FROM STDIN (FORMAT binary, FREEZE)"); err != nil {
			b.Fatal(err)
		}
		do("COMMIT")
		took += time.Since(began)
		_ = data.Close()
		if err := os.Remove(data.Name()); err != nil {
			b.Fatal(err)
		}
	}
	copied = float64(events) / took.Seconds()
	indexes := list("SELECT replace(indexdef, 'ledger_data.', 'copied.') FROM pg_indexes WHERE schemaname = 'ledger_data'")
	began := time.Now()
	for _, index := range indexes {
		do(index)
	}
	took += time.Since(began)
	do("DROP SCHEMA copied CASCADE")
	return copied, float64(events) / took.Seconds()
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
