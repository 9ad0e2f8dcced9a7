package projections_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/audit"
)

// everything is a log with something in every table of the views, projected.
func everything(t *testing.T) (log projections.Log, pool *pgxpool.Pool) {
	t.Helper()
	store, url := newLog(t), newDatabase(t)
	pool = newPool(t, url)
	w := newWorld(51)
	for _, c := range []order.Category{order.CategoryOrder, order.CategoryTestOrder, order.CategoryPayout} {
		s := w.addOrder()
		s.kind, s.test, s.stream = order.KindPayment, c == order.CategoryTestOrder, order.StreamName(c, s.id)
		if c == order.CategoryPayout {
			s.kind = order.KindPayout
		}
	}
	appendMany(t, store, w.history(t, 9, 150))
	poisoned := w.known()[0]
	appendAll(t, store, []appended{
		{poisoned.stream, []eventstore.EventData{foreign("OrderTeleported", `{}`, plainMetadata)}},
		{poisoned.stream, []eventstore.EventData{foreign("OrderIssued", `{}`, plainMetadata)}},
	})
	changePeriod(t, store, accounting.PeriodClosedType, "2026-10", "ann", "")
	line := settlement.Line{Number: 1, FileLine: 2, Kind: settlement.Payment, References: []string{"x"}, ValueDate: "2026-10-02", Gross: money.MustParse("12.50", "EUR")}
	appendStatement(t, store, imported, "s1", settlement.LinesRecorded{StatementID: "s1", Lines: []settlement.Line{line}},
		settlement.Imported{Header: settlement.Header{Gateway: "decta", Account: "default", Side: settlement.AtGateway, Format: "csv", FileSHA256: "00", Days: 14}, StatementID: "s1", Lines: 1},
		order.SettlementMismatchFlagged{StatementID: "s1", Line: 1, Reason: settlement.UnknownReference},
		settlement.StatementMatched{StatementID: "s1", Pass: 1, Unmatched: 1})
	appendBooking(t, store, imported, "one", settlement.LineBookedType, settlement.LineBooked{
		StatementID: "s1", Line: 1, Kind: settlement.Payment, As: settlement.BookedSuspense, Gross: line.Gross, ValueDate: line.ValueDate})
	appendMany(t, store, w.history(t, 2, 20))
	start(t, config(store, url))
	reach(t, store, pool)
	return store, pool
}

func auditAll(tb testing.TB, pool *pgxpool.Pool, log eventstore.Reader, heal bool) audit.Report {
	tb.Helper()
	var healer audit.Heal
	if heal {
		healer = func(ctx context.Context, id string) error { return projections.Heal(ctx, pool, log, id) }
	}
	r, err := audit.All(tb.Context(), pool, log, healer, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// An audit of everything tells how far it is, up to the end of both of its stages.
func TestAudit_TellsHowFarItIs(t *testing.T) {
	t.Parallel()
	log, pool := everything(t)
	var told []audit.Progress
	r, err := audit.All(t.Context(), pool, log, nil, func(p audit.Progress) { told = append(told, p) })
	if err != nil {
		t.Fatal(err)
	}
	ends := map[audit.Stage]audit.Progress{}
	for i, p := range told {
		if last := ends[p.Stage]; p.Done < last.Done || p.Done > p.Total || (i > 0 && p.Stage == audit.OrderByOrder && told[i-1].Stage != p.Stage) {
			t.Errorf("%+v after %+v", p, last)
		}
		ends[p.Stage] = p
	}
	var orders int64
	if err := pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM ledger.orders) + (SELECT count(*) FROM ledger.test_orders) +
		(SELECT count(*) FROM ledger.payouts)`).Scan(&orders); err != nil {
		t.Fatal(err)
	}
	first, o, l := told[0], ends[audit.OrderByOrder], ends[audit.AlongTheLog]
	if first.Done != 0 || first.Total != orders || o.Done != int64(r.Orders) || o.Total != o.Done || l.Done == 0 || l.Done != l.Total {
		t.Errorf("first %+v, then %+v and %+v, with %d orders in the views and %d audited", first, o, l, orders, r.Orders)
	}
}

// TestAudit_EveryTable lists the tables that there are, makes a row too many, one too few and one that says something else
// in each, and expects that an audit of everything finds and heals it. No table is forgotten.
func TestAudit_EveryTable(t *testing.T) {
	t.Parallel()
	log, pool := everything(t)
	if r := auditAll(t, pool, log, false); r.Drifted != 0 || r.Orders < 8 {
		t.Fatalf("as the runner wrote them: %+v", r)
	}
	want := dump(t, pool)
	rows, err := pool.Query(t.Context(), `SELECT c.relname::text,
		  (SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT a.attnum = ANY (i.indkey)
		     AND a.atttypid = 'text'::regtype AND a.attname NOT LIKE '%state' AND a.attname NOT LIKE '%sha256' AND a.attname NOT IN ('lifecycle', 'status', 'kind', 'side', 'reason', 'currency', 'order_id', 'stream')
		   ORDER BY a.attnum DESC LIMIT 1)
		FROM pg_class c
		LEFT JOIN (SELECT inhparent, min(inhrelid) AS first FROM pg_inherits GROUP BY 1) part ON part.inhparent = c.oid
		JOIN pg_index i ON i.indrelid = coalesce(part.first, c.oid) AND i.indisprimary
		WHERE c.relnamespace = 'ledger_data'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname NOT IN ('checkpoint', 'outside_writes') ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	type column struct {
		Table string
		Text  *string
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	if err != nil {
		t.Fatal(err)
	}
	plant := func(table, how, sql string) {
		t.Helper()
		tag, err := pool.Exec(t.Context(), sql)
		if err != nil || tag.RowsAffected() == 0 {
			t.Fatalf("%s, %s: %d rows, %v", table, how, tag.RowsAffected(), err)
		}
		if r := auditAll(t, pool, log, true); r.Drifted == 0 || r.Healed != r.Drifted {
			t.Errorf("%s: %s was found %d times and healed %d times", table, how, r.Drifted, r.Healed)
		}
		same(t, table+": "+how+", healed", want, dump(t, pool))
	}
	surplus := map[string]string{ // of what the log knows nothing of
		"orders":           `INSERT INTO ledger_data.orders (order_id, source, source_account, payment_state, refund_state, dispute_state, lifecycle, first_recorded_at, last_recorded_at, revision, position) VALUES ('0', 'decta', 'x', 'UNPAID', 'NONE', 'NONE', 'OPEN', now(), now(), 0, 0)`,
		"test_orders":      `INSERT INTO ledger_data.test_orders SELECT * FROM ledger_data.orders ORDER BY order_id LIMIT 1`,
		"payouts":          `INSERT INTO ledger_data.payouts (order_id, source, source_account, payout_state, first_recorded_at, last_recorded_at, revision, position) VALUES ('zz', 'x', 'x', 'PAID', now(), now(), 0, 0)`,
		"payments":         `INSERT INTO ledger_data.payments (order_id, payment_id, status, last_occurred_at) VALUES ('nobody', 'p', 'CAPTURED', now())`,
		"refunds":          `INSERT INTO ledger_data.refunds (order_id, refund_id, status, last_recorded_at) SELECT order_id, 'r', 'COMPLETED', now() FROM ledger_data.payouts LIMIT 1`,
		"disputes":         `INSERT INTO ledger_data.disputes (order_id, dispute_id, track) VALUES ('nobody', 'd', 'chargeback')`,
		"dispute_timeline": `INSERT INTO ledger_data.dispute_timeline (order_id, dispute_id, seq, stage, occurred_at, recorded_at, event_id) VALUES ('nobody', 'd', 1, 'chargeback', now(), now(), gen_random_uuid())`,
		"order_history":    `INSERT INTO ledger_data.order_history SELECT 'nobody', 0, 0, event_id, event_type, occurred_at, recorded_at, source, actor, data, metadata FROM ledger_data.order_history LIMIT 1`,
		"journal_lines": `INSERT INTO ledger_data.journal_lines SELECT (jsonb_populate_record(j, '{"order_id": "nobody", "position": 1, "event_id": "00000000-0000-5000-8000-000000000001"}')).*
			FROM ledger_data.journal_lines j WHERE event_id = (SELECT event_id FROM ledger_data.journal_lines LIMIT 1)`,
		"parked_orders":      `INSERT INTO ledger_data.parked_orders SELECT 'nobody', 'order-nobody', revision, position, event_id, event_type, reason, since, held_back FROM ledger_data.parked_orders LIMIT 1`,
		"quarantine":         `INSERT INTO ledger_data.quarantine SELECT gen_random_uuid(), notification_id, source, source_account, code, detail, received_at, body_sha256, 9000000000000 FROM ledger_data.quarantine LIMIT 1`,
		"period_changes":     `INSERT INTO ledger_data.period_changes SELECT 0, event_id, entity, period, closed, recorded_at, actor, approver, reason, trial_balance_sha256, up_to FROM ledger_data.period_changes LIMIT 1`,
		"statements":         `INSERT INTO ledger_data.statements SELECT (jsonb_populate_record(s, '{"statement_id": "s9", "position": 1}')).* FROM ledger_data.statements s`,
		"statement_lines":    `INSERT INTO ledger_data.statement_lines SELECT (jsonb_populate_record(s, '{"statement_id": "s9", "position": 1}')).* FROM ledger_data.statement_lines s`,
		"statement_results":  `INSERT INTO ledger_data.statement_results SELECT (jsonb_populate_record(s, '{"position": 9000000000000}')).* FROM ledger_data.statement_results s`,
		"statement_bookings": `INSERT INTO ledger_data.statement_bookings SELECT (jsonb_populate_record(s, '{"position": 1}')).* FROM ledger_data.statement_bookings s`,
		"statement_passes":   `INSERT INTO ledger_data.statement_passes SELECT (jsonb_populate_record(s, '{"position": 1}')).* FROM ledger_data.statement_passes s`,
	}
	for _, c := range tables {
		one := " WHERE (tableoid, ctid) = (SELECT tableoid, ctid FROM ledger_data." + c.Table + " LIMIT 1)"
		if c.Table == "journal_lines" { // entries go whole
			one = " WHERE event_id = (SELECT event_id FROM ledger_data.journal_lines LIMIT 1)"
		}
		plant(c.Table, "a row that is gone", "DELETE FROM ledger_data."+c.Table+one)
		if c.Text != nil && c.Table != "journal_lines" { // which refuses changes
			plant(c.Table, "another "+*c.Text, "UPDATE ledger_data."+c.Table+" SET "+*c.Text+" = 'something else'"+one)
		}
		sql, ok := surplus[c.Table]
		if !ok {
			t.Fatalf("table %s is not planted in: does the audit know it?", c.Table)
		}
		plant(c.Table, "a row that ought not to be", sql)
	}
}

// TestAudit_Digits: 12.5 is not 12.50, wherever an amount stands.
func TestAudit_Digits(t *testing.T) {
	t.Parallel()
	log, pool := everything(t)
	want := dump(t, pool)
	for _, sql := range []string{
		"UPDATE ledger_data.orders SET captured = captured + 0.000 WHERE currency IS NOT NULL",
		"UPDATE ledger_data.payments SET amount = trim_scale(amount) WHERE amount <> trunc(amount, 1) OR amount = trunc(amount, 1)",
		"UPDATE ledger_data.refunds SET amount = amount + 0.000 WHERE amount IS NOT NULL",
		"UPDATE ledger_data.dispute_timeline SET moved = moved + 0.0000",
		"UPDATE ledger_data.payouts SET paid_out = paid_out + 0.000 WHERE currency IS NOT NULL",
		"UPDATE ledger_data.statement_lines SET gross = trim_scale(gross)",
	} {
		if tag, err := pool.Exec(t.Context(), sql); err != nil || tag.RowsAffected() == 0 {
			t.Fatalf("%s: %d rows, %v", sql, tag.RowsAffected(), err)
		}
		if r := auditAll(t, pool, log, true); r.Drifted == 0 || r.Healed != r.Drifted {
			t.Errorf("%s: %d found, %d healed", sql, r.Drifted, r.Healed)
		}
		same(t, sql, want, dump(t, pool))
	}
}

// lines is a log for people that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// TestStanding_LooksEverywhere: the standing auditor finds an order that lost its rows and audit trail, parts of an order
// that never was, and a changed row of quarantine and of periods; metrics and log say so. After they were healed it says
// that too.
func TestStanding_LooksEverywhere(t *testing.T) {
	t.Parallel()
	log, pool := everything(t)
	var said lines
	standing := audit.NewStanding(audit.StandingConfig{
		Log: log, Database: func() audit.Database { return pool }, Logger: slog.New(slog.NewJSONHandler(&said, nil)), Clock: time.Now,
		Interval: time.Millisecond, Rest: time.Millisecond,
	})
	done := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	go func() { defer close(done); _ = standing.Run(ctx) }()
	defer func() { stop(); <-done }()
	eventually(t, "a look at everything", func() bool { st := standing.Status(); return st.Sweeps > 0 && st.LogSweeps > 0 })
	if st := standing.Status(); st.Drifted != 0 || st.LastError != "" {
		t.Fatalf("as the runner wrote them: %+v", st)
	}
	var lost string
	if err := pool.QueryRow(t.Context(), "SELECT order_id FROM ledger.orders WHERE NOT 'parked' = ANY (flags) ORDER BY 1 OFFSET 3 LIMIT 1").Scan(&lost); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"orders", "payments", "refunds", "disputes", "dispute_timeline", "order_history", "journal_lines"} {
		if _, err := pool.Exec(t.Context(), "DELETE FROM ledger_data."+table+" WHERE order_id = $1", lost); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pool.Exec(t.Context(), `INSERT INTO ledger_data.payments (order_id, payment_id, status, last_occurred_at) VALUES ('nobody', 'p', 'CAPTURED', now());
		UPDATE ledger_data.quarantine SET code = 'x' WHERE ctid = (SELECT ctid FROM ledger_data.quarantine LIMIT 1);
		DELETE FROM ledger_data.period_changes`); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all four to be found", func() bool {
		st := standing.Status()
		return st.DriftedNow == 2 && st.OthersNow == 2 && said.has(lost) && said.has(`"nobody"`) && said.has(`"quarantine-`) && said.has(`"period-default"`)
	})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(standing.Collector())
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	gauges := make(map[string]float64)
	for _, f := range families {
		gauges[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
	}
	for name, value := range map[string]float64{"ledger_audit_drifted_orders": 2, "ledger_audit_drifted_others": 2, "ledger_audit_failing": 0} {
		if got, ok := gauges[name]; !ok || got != value {
			t.Errorf("%s is %v, want %v", name, got, value)
		}
	}
	if r := auditAll(t, pool, log, true); r.Healed != 4 {
		t.Errorf("%d healed, want 4", r.Healed)
	}
	eventually(t, "nothing to differ any more", func() bool { st := standing.Status(); return st.DriftedNow+st.OthersNow == 0 })
}
