package projections_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/projections/history"
)

// BenchmarkCatchUp projects a log from its beginning into an empty database, all models, and then COPYs the
// rows of order_history alone into an empty table: what PostgreSQL can do at most with the widest of the
// tables. The two rates, events/s and copy-rows/s, are of the same run.
func BenchmarkCatchUp(b *testing.B) {
	const orders, notifications = 10_000, 40_000
	log, err := node.Open(node.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	appendMany(b, log, newWorld(1).history(b, orders, notifications))
	events := count(b, log)
	for b.Loop() {
		b.StopTimer()
		url := newDatabase(b)
		pool := newPool(b, url)
		cfg := config(log, url)
		b.StartTimer()

		began := time.Now()
		runner := start(b, cfg)
		reach(b, log, pool)
		took := time.Since(began)

		b.StopTimer()
		status := runner.Status(b.Context())
		runner.stop(b)
		copied := copyHistory(b, url)
		b.ReportMetric(float64(events)/took.Seconds(), "events/s")
		b.ReportMetric(float64(status.Events)/float64(status.Batches), "events/batch")
		b.ReportMetric(copied, "copy-rows/s")
		b.ReportMetric(float64(events)/took.Seconds()/copied, "of-copy")
		b.StartTimer()
	}
}

// count counts the events that are projected.
func count(tb testing.TB, log eventstore.Reader) int {
	tb.Helper()
	n := 0
	for ev, err := range log.ReadAll(tb.Context(), eventstore.AllRead{}) {
		if err != nil {
			tb.Fatal(err)
		}
		if ev.Stream[0] != '$' {
			n++
		}
	}
	return n
}

// copyHistory reads the rows of order_history into memory and returns at which rate COPY writes them into a
// table of the same shape and keys.
func copyHistory(tb testing.TB, url string) float64 {
	tb.Helper()
	ctx := tb.Context()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT * FROM ledger_data.order_history ORDER BY position")
	if err != nil {
		tb.Fatal(err)
	}
	var names []string
	for _, field := range rows.FieldDescriptions() {
		names = append(names, field.Name)
	}
	var all [][]any
	for rows.Next() {
		var e history.Event
		if err := rows.Scan(&e.OrderID, &e.Revision, &e.Position, &e.EventID, &e.EventType, &e.OccurredAt, &e.RecordedAt,
			&e.Source, &e.Actor, &e.Data, &e.Metadata); err != nil {
			tb.Fatal(err)
		}
		all = append(all, []any{e.OrderID, int64(e.Revision), int64(e.Position), [16]byte(e.EventID), e.EventType,
			e.OccurredAt, e.RecordedAt, e.Source, e.Actor, e.Data, e.Metadata})
	}
	if rows.Err() != nil {
		tb.Fatal(rows.Err())
	}
	if _, err := conn.Exec(ctx, "CREATE TABLE copied (LIKE ledger_data.order_history INCLUDING ALL)"); err != nil {
		tb.Fatal(err)
	}
	began := time.Now()
	n, err := conn.CopyFrom(ctx, pgx.Identifier{"copied"}, names, pgx.CopyFromRows(all))
	if err != nil || int(n) != len(all) {
		tb.Fatal(fmt.Errorf("copied %d of %d: %w", n, len(all), err))
	}
	return float64(n) / time.Since(began).Seconds()
}
