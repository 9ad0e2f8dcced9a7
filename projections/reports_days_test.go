package projections_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/projections/reports"
)

// at is a moment of November 2026, recorded in the ledger.
func at(day, hour int) *time.Time {
	t := time.Date(2026, 11, day, hour, 0, 0, 0, time.UTC)
	return &t
}

// told writes an event of an order of DECTA as it stands in the views. Its revision and position are n.
func told(t *testing.T, pool *pgxpool.Pool, order string, n int, event string, when *time.Time, data string) {
	t.Helper()
	run(t, pool, `INSERT INTO ledger_data.order_history (order_id, revision, position, event_id, event_type, occurred_at, recorded_at, source, actor, data, metadata)
		VALUES ($1, $2, $2, gen_random_uuid(), $3, $4, $4, 'decta', 'system', $5, '{}')`, order, n, event, when, data)
	run(t, pool, `INSERT INTO ledger_data.orders (order_id, source, source_account, currency, payment_state, refund_state, dispute_state, lifecycle,
		first_recorded_at, last_recorded_at, revision, position) VALUES ($1, 'decta', 'default', 'EUR', 'PAID', 'NONE', 'NONE', 'OPEN', $2, $2, $3, $3)
		ON CONFLICT DO NOTHING`, order, when, n)
}

// posted writes what an event posts: 40 EUR at the gateway, in the books of an entity.
func posted(t *testing.T, pool *pgxpool.Pool, order string, n int, recorded *time.Time, valued, entity string) {
	t.Helper()
	run(t, pool, `INSERT INTO ledger_data.journal_lines (order_id, revision, line, position, event_id, posting_date, value_date, recorded_at, account, currency,
		amount, source, source_account, entity) SELECT $1, $2, line, $2, gen_random_uuid(), $4::text::date, $4::text::date, $3,
		CASE line WHEN 1 THEN '1100' ELSE '1200' END, 'EUR', CASE line WHEN 1 THEN 40 ELSE -40 END, 'decta', 'default', $5 FROM generate_series(1, 2) line`,
		order, n, recorded, valued, entity)
}

func run(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// column are the values of one column of an answer; "-" is unknown.
func column(t *testing.T, table reports.Table, name string) []string {
	t.Helper()
	values := []string{}
	for _, row := range table.Rows {
		for i, v := range row {
			switch {
			case table.Columns[i] != name:
			case v == nil:
				values = append(values, "-")
			default:
				values = append(values, *v)
			}
		}
	}
	return values
}

const captured = `{"payment_id":"p1","amount":{"amount":"40.00","currency":"EUR"}}`

// TestReports_LateByWhatWasKnown: whether a payment is late is told by the windows of the statements that were known then.
func TestReports_LateByWhatWasKnown(t *testing.T) {
	t.Parallel()
	pool := newPool(t, newDatabase(t))
	told(t, pool, "o1", 1, "PaymentCaptured", at(1, 9), captured)
	late := func(p reports.Params) []string {
		return column(t, answer(t, pool, "reconciliation-unsettled", p), "late")
	}
	asOf, upTo := reports.Params{AsOf: at(20, 0)}, reports.Params{AsAt: at(20, 0), UpTo: 5}
	want := []string{"yes"}
	if diff := cmp.Diff([][]string{want, want}, [][]string{late(asOf), late(upTo)}); diff != "" {
		t.Fatalf("19 days later (-want +got):\n%s", diff)
	}
	run(t, pool, `INSERT INTO ledger_data.statements (statement_id, position, event_id, recorded_at, actor, source, source_account, side, format, file_sha256, lines, window_days)
		VALUES ('s1', 9, gen_random_uuid(), '2026-11-25', 'kim', 'decta', 'default', 'gateway', 'csv', '00', 0, 60)`)
	if diff := cmp.Diff([][]string{want, want, {"no"}}, [][]string{late(asOf), late(upTo), late(reports.Params{AsAt: at(20, 0)})}); diff != "" {
		t.Errorf("with a statement that came later (-want +got):\n%s", diff)
	}
}

// TestReports_DeadlineIsTheNewest: a deadline that the gateway moved forward counts.
func TestReports_DeadlineIsTheNewest(t *testing.T) {
	t.Parallel()
	pool := newPool(t, newDatabase(t))
	told(t, pool, "o1", 1, "DisputeOpened", at(1, 9), `{"dispute_id":"d1","stage":"chargeback","respond_by":"2026-11-30T00:00:00Z"}`)
	told(t, pool, "o1", 2, "DisputeUpdated", at(2, 9), `{"dispute_id":"d1","stage":"chargeback","respond_by":"2026-11-20T00:00:00Z"}`)
	told(t, pool, "o1", 3, "DisputeUpdated", at(3, 9), `{"dispute_id":"d1"}`)
	if diff := cmp.Diff([]string{"2026-11-20T00:00:00Z"}, column(t, answer(t, pool, "disputes-open", reports.Params{}), "respond_by")); diff != "" {
		t.Errorf("deadline (-want +got):\n%s", diff)
	}
}

// TestReports_DaysAreTheJournals: what had happened by a day is the same in reports of the history as in those of the
// journal: by the day of the entity. What is not posted has its day in UTC.
func TestReports_DaysAreTheJournals(t *testing.T) {
	t.Parallel()
	pool := newPool(t, newDatabase(t))
	told(t, pool, "o1", 1, "PaymentCaptured", at(1, 23), captured) // 2 November in Vilnius
	posted(t, pool, "o1", 1, at(1, 23), "2026-11-02", "baltics")
	told(t, pool, "o2", 2, "DisputeOpened", at(1, 23), `{"dispute_id":"d1","stage":"inquiry"}`) // posts nothing
	for day, want := range map[int][][]string{1: {{}, {"o2"}}, 2: {{"o1"}, {"o2"}}} {
		p := reports.Params{AsAt: at(day, 0)}
		got := [][]string{column(t, answer(t, pool, "reconciliation-unsettled", p), "order_id"), column(t, answer(t, pool, "disputes-open", p), "order_id")}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by %d November (-want +got):\n%s", day, diff)
		}
	}
}

// TestReports_EqualParts: a payout that arrives in two equal parts is the sum of both, however many statements show it.
func TestReports_EqualParts(t *testing.T) {
	t.Parallel()
	pool := newPool(t, newDatabase(t))
	for id, lines := range map[string][]string{"gateway": {"80"}, "bank": {"40", "40"}, "bank again": {"40", "40"}} {
		side := strings.TrimSuffix(id, " again")
		run(t, pool, `INSERT INTO ledger_data.statements (statement_id, position, event_id, recorded_at, actor, source, source_account, side, format, file_sha256, lines, window_days)
			VALUES ($1, 9, gen_random_uuid(), '2026-11-05', 'kim', 'decta', 'default', $2, 'csv', '00', 2, 14)`, id, side)
		for i, gross := range lines {
			run(t, pool, `INSERT INTO ledger_data.statement_lines (statement_id, line, file_line, kind, other_references, settlement_ref, value_date, currency, gross, position)
				VALUES ($1, $2, $2, 'payout', '{}', 'PO-1', '2026-11-04', 'EUR', $3::text::numeric, 9)`, id, i+1, gross)
		}
		run(t, pool, `INSERT INTO ledger_data.statement_passes (position, statement_id, pass, matched, mismatched, unmatched, recorded_at)
			VALUES ((SELECT 10 + count(*) FROM ledger_data.statement_passes), $1, 1, 0, 0, 0, '2026-11-05')`, id)
	}
	payouts := answer(t, pool, "reconciliation-payouts", reports.Params{})
	if diff := cmp.Diff([][]string{{"80.00"}, {"MATCHED"}}, [][]string{column(t, payouts, "by_bank"), column(t, payouts, "status")}); diff != "" {
		t.Errorf("payouts (-want +got):\n%s", diff)
	}
	if left := answer(t, pool, "reconciliation-differences", reports.Params{}); len(left.Rows) > 0 {
		t.Errorf("%d lines differ", len(left.Rows))
	}
}

// TestReports_OfAnEntity: a report that takes the entity leaves out other books; one that does not says so.
func TestReports_OfAnEntity(t *testing.T) {
	t.Parallel()
	pool := newPool(t, newDatabase(t))
	for i, entity := range []string{"baltics", "default"} {
		told(t, pool, entity, 10*i+1, "PaymentCaptured", at(1, 9), captured)
		posted(t, pool, entity, 10*i+1, at(1, 9), "2026-11-01", entity)
		told(t, pool, entity, 10*i+2, "DisputeOpened", at(2, 9), `{"dispute_id":"d1","stage":"chargeback"}`)
	}
	get := func(name string) string { return map[string]string{"entity": "baltics"}[name] }
	var refused []string
	for _, r := range reports.All() {
		if reports.Refuse(get, r) != nil {
			refused = append(refused, r.Name)
			continue
		}
		table := answer(t, pool, r.Name, reports.Params{Entity: "baltics", KnownFrom: at(1, 0)})
		if slices.Contains(column(t, table, "order_id"), "default") {
			t.Errorf("%s of one entity shows an order of another", r.Name)
		}
		if (r.Name == "disputes-open" || r.Name == "reconciliation-unsettled") && len(table.Rows) != 1 {
			t.Errorf("%s has %d rows, want 1", r.Name, len(table.Rows))
		}
	}
	if diff := cmp.Diff([]string{"anomalies", "reconciliation-differences", "reconciliation-gateway", "reconciliation-payouts", "reconciliation", "unknown"}, refused); diff != "" {
		t.Errorf("reports that do not tell entities apart (-want +got):\n%s", diff)
	}
}

// TestReports_RefuseWhatTheyDoNotUse: a parameter that would change nothing is refused by name.
func TestReports_RefuseWhatTheyDoNotUse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		report, name, value string
		refused             bool
	}{
		{"ageing", "by", "day", true}, {"totals", "by", "day", false}, {"ageing", "memo", "true", true}, {"trial-balance", "memo", "true", false},
		{"holds", "period", "2026-10", true}, {"late-postings", "period", "2026-10", false}, {"totals", "known_from", "2026-10-01", true},
		{"ageing", "as_at", "2026-10-31", false}, {"ageing", "by", "", false},
	} {
		report, err := reports.Find(c.report)
		if err != nil {
			t.Fatal(err)
		}
		err = reports.Refuse(func(name string) string { return map[string]string{c.name: c.value}[name] }, report)
		if (err != nil) != c.refused || err != nil && !strings.Contains(err.Error(), c.name) {
			t.Errorf("%s of %s %q: %v", c.report, c.name, c.value, err)
		}
	}
}
