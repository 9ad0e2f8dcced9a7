package export_test

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/export"
	"github.com/order-ledger/order-ledger/projections/reports"
)

var benchEntries = flag.Int("export-entries", 20_000, "entries of two lines in the benchmark's journal")

// BenchmarkJournal exports a journal beside a bare COPY of the same columns in the same order to nowhere, and
// tells the share of its speed and the largest Go heap that was seen.
func BenchmarkJournal(b *testing.B) {
	pool := books(b, *benchEntries)
	lines := float64(2 * *benchEntries)
	if _, err := pool.Exec(b.Context(), "VACUUM ANALYZE ledger_data.journal_lines"); err != nil {
		b.Fatal(err)
	}
	for _, f := range []export.Format{export.CSV, export.JSONLines, export.Parquet} {
		b.Run(string(f), func(b *testing.B) {
			var ours, bare time.Duration
			var heap atomic.Uint64
			for b.Loop() {
				began := time.Now()
				conn, err := pool.Acquire(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if _, err := conn.Conn().PgConn().CopyTo(b.Context(), io.Discard, `COPY (SELECT entry_id, event_id, order_id, revision, line,
					posting_date, value_date, recorded_at, account, currency, debit, credit, source, source_account, late_posting, position
					FROM ledger.journal_lines ORDER BY position, line) TO STDOUT`); err != nil {
					b.Fatal(err)
				}
				conn.Release()
				bare += time.Since(began)
				j := journal(f, reports.Params{}, filepath.Join(b.TempDir(), "j"))
				j.Said = func(int64) {
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					heap.Store(max(heap.Load(), m.HeapInuse))
				}
				began = time.Now()
				if _, err := j.Run(b.Context(), pool); err != nil {
					b.Fatal(err)
				}
				ours += time.Since(began)
				if err := os.Remove(j.Out); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(lines*float64(b.N)/ours.Seconds(), "lines/s")
			b.ReportMetric(lines*float64(b.N)/bare.Seconds(), "copy-lines/s")
			b.ReportMetric(100*bare.Seconds()/ours.Seconds(), "%-of-copy")
			b.ReportMetric(float64(heap.Load())/(1<<20), "MiB-heap")
		})
	}
}
