package projections_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/projections/history"
)

// BenchmarkCatchUp projects a log from its beginning into an empty database, all models, and then
// COPYs the rows of order_history alone into an empty table: what PostgreSQL can do at most with
// the widest of the tables. The two rates, events/s and copy-rows/s, are of the same run.
func BenchmarkCatchUp(b *testing.B) {
	const orders = 20_000
	log, err := node.Open(node.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	appendMany(b, log, newWorld(1).typical(b, orders))
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

// copyHistory reads the rows of order_history into memory and returns at which rate COPY writes
// them into a table of the same shape and keys.
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
	rate := float64(n) / time.Since(began).Seconds()
	if _, err := conn.Exec(ctx, "DROP TABLE copied"); err != nil {
		tb.Fatal(err)
	}
	return rate
}

// typical returns what most orders are: one payment that is issued, processed and captured, some of
// them settled, refunded, failed, and a few disputed; the notifications of about a thousand orders
// at a time come interleaved.
func (w *world) typical(tb testing.TB, orders int) []appended {
	tb.Helper()
	const active = 1000
	var all []appended
	open := make([]*simulated, 0, active)
	for orders > 0 || len(open) > 0 {
		if orders > 0 && len(open) < active {
			open = append(open, w.addOrder())
			orders--
			continue
		}
		i := w.random.IntN(len(open))
		s := open[i]
		facts := w.course(s)
		if a, ok := w.notifyOf(tb, s, facts...); ok && facts != nil {
			all = append(all, a)
		}
		if facts == nil || s.step == len(courses) {
			open[i] = open[len(open)-1]
			open = open[:len(open)-1]
		}
	}
	return all
}

// courses are how often, in percent, an order goes through the steps of its life.
var courses = []int{100, 100, 90, 60, 8, 1}

// course makes the next step of an order's life; nil when it has come to its end.
func (w *world) course(s *simulated) []order.Fact {
	for happens := false; !happens; {
		if s.step == len(courses) {
			return nil
		}
		s.step++
		happens = w.random.IntN(100) < courses[s.step-1]
	}
	s.facts++
	now := day.Add(time.Duration(w.n) * time.Second)
	at := order.At{Key: fmt.Sprintf("%s:%d", s.id, s.facts), OccurredAt: now, Basis: order.BasisStatusChange, Status: "paid"}
	if s.kind == order.KindPayout {
		return []order.Fact{order.PayoutReported{At: at, Status: order.PayoutStatePaid, Amount: &s.due}}
	}
	p := order.PaymentRef{SourceID: "p0", SourceOrderID: "src-" + s.id[:8]}
	switch s.step {
	case 1:
		return []order.Fact{order.Issued{At: at, SourceOrderID: p.SourceOrderID}}
	case 2:
		return []order.Fact{order.Processing{At: at, Payment: p, Attempt: 1}}
	case 3:
		return []order.Fact{order.Captured{At: at, Payment: p, Amount: &s.due, Method: "card"}}
	case 4:
		return []order.Fact{order.Settled{At: at, Payment: p, Amount: &s.due}}
	case 5:
		return []order.Fact{order.RefundReported{At: at, SourceRefundID: "r0", Payment: &p, Step: order.RefundStepCompleted, Amount: &s.due}}
	}
	return []order.Fact{order.DisputeStage{At: at, Payment: p, Stage: order.StageChargeback, Amount: &s.due}}
}
