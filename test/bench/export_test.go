package bench_test

import (
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/test/harness"
)

var exportLines = flag.Int("export-lines", 20_000, "lines of the journal that is exported")

// BenchmarkExport exports a journal with the built binary, beside a bare COPY of the same columns of the same
// rows in the same order to nowhere. It reports lines a second, the share of the COPY's speed, and the most
// memory that the process had. The lines are those of simulated orders, many times.
func BenchmarkExport(b *testing.B) {
	site := harness.NewSite(b, harness.Options{})
	orders := min(20_000, *exportLines/6)
	site.RunOK(b, "simulate", "--orders", fmt.Sprint(orders), "--seed", "7", "--out", site.Dir)
	for _, gateway := range []string{"decta", "everifin", "connectpay"} {
		site.RunOK(b, "ingest", "--gateway", gateway, filepath.Join(site.Dir, gateway+".ndjson"))
	}
	conn, err := pgx.Connect(b.Context(), site.DatabaseURL)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(b.Context()) }()
	lines := multiply(b, conn, *exportLines)
	for _, format := range []string{"csv", "jsonl", "parquet"} {
		b.Run(format, func(b *testing.B) {
			var ours, bare time.Duration
			var peak int64
			for b.Loop() {
				began := time.Now()
				if _, err := conn.PgConn().CopyTo(b.Context(), io.Discard, `COPY (SELECT entry_id, event_id, order_id, revision, line,
					posting_date, value_date, recorded_at, account, currency, debit, credit, source, source_account, late_posting, position, entity
					FROM ledger.journal_lines ORDER BY position, line) TO STDOUT`); err != nil {
					b.Fatal(err)
				}
				bare += time.Since(began)
				began = time.Now()
				export := harness.Launch(b, site.Command("export", "journal", "--format", format, "--out", filepath.Join(b.TempDir(), "journal"), "--actor", "bench"))
				if result := export.Wait(b); result.Code != 0 {
					b.Fatalf("exit code %d\n%s", result.Code, result.Stderr)
				}
				ours += time.Since(began)
				peak = max(peak, export.PeakMemory())
			}
			b.ReportMetric(float64(lines)*float64(b.N)/ours.Seconds(), "lines/s")
			b.ReportMetric(float64(lines)*float64(b.N)/bare.Seconds(), "copy-lines/s")
			b.ReportMetric(100*bare.Seconds()/ours.Seconds(), "%-of-copy")
			b.ReportMetric(float64(peak)/(1<<20), "MiB-peak")
		})
	}
}

// multiply writes the journal's lines again as those of other orders, until there are as many as are wanted, and
// returns how many there are.
func multiply(b *testing.B, conn *pgx.Conn, wanted int) (lines int) {
	b.Helper()
	query := func(to any, sql string) {
		if err := conn.QueryRow(b.Context(), sql).Scan(to); err != nil {
			b.Fatal(err)
		}
	}
	exec := func(sql string, args ...any) {
		if _, err := conn.Exec(b.Context(), sql, args...); err != nil {
			b.Fatal(err)
		}
	}
	var last, base int
	query(&base, "SELECT count(*) FROM ledger_data.journal_lines")
	query(&last, "SELECT commit_position FROM ledger.checkpoint")
	exec("CREATE TEMPORARY TABLE base AS SELECT * FROM ledger_data.journal_lines")
	copies := 1
	for ; copies*base < wanted; copies++ {
		exec(`INSERT INTO ledger_data.journal_lines (order_id, revision, line, position, event_id, posting_date, value_date, recorded_at,
				account, currency, amount, source, source_account, entity)
			SELECT left(order_id, 21) || to_char($1::int, 'FM00000'), revision, line, position + $1::bigint * $2, md5(event_id::text || $1)::uuid,
				posting_date, value_date, recorded_at, account, currency, amount, source, source_account, entity FROM base`, copies, last)
	}
	exec("UPDATE ledger_data.checkpoint SET commit_position = $1, prepare_position = $1", copies*last)
	exec("VACUUM ANALYZE ledger_data.journal_lines")
	return copies * base
}
