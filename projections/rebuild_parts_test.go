package projections_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/audit"
)

// withoutParts makes the live audit trail and journal what a database has that held rows before the tables had parts.
func withoutParts(tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()
	set, err := migrations.Ledger()
	if err != nil {
		tb.Fatal(err)
	}
	for _, m := range set {
		if m.Name == "parts" {
			if _, err := pool.Exec(tb.Context(), m.Down); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

// partsOf is how many parts the audit trail and the journal of a schema have.
func partsOf(tb testing.TB, pool *pgxpool.Pool, name string) (n int) {
	tb.Helper()
	err := pool.QueryRow(tb.Context(), "SELECT count(*) FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relispartition AND relkind = 'r'", name).Scan(&n)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// Live tables that held rows before there were parts have none; all is done with them as with others: the proof, its differences, the swap
// under a runner, the way back, copies, audits and healing.
func TestRebuild_OfTablesWithoutParts(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	withoutParts(t, pool)
	w := newWorld(61)
	booked := settlement.LineBooked{
		StatementID: "s1", Line: 1, Kind: settlement.Payment, As: settlement.BookedSuspense, Gross: money.MustParse("12.50", "EUR"), ValueDate: "2026-10-02"}
	bookings := 0
	more := func() {
		t.Helper()
		appendMany(t, log, w.history(t, 20, 150))
		for range 9 {
			booked.Line++
			stream := fmt.Sprint("line", booked.Line)
			appendBooking(t, log, imported, stream, settlement.LineBookedType, booked)
			appendBooking(t, log, imported, stream, settlement.LineReleasedType, booked)
			bookings++
		}
	}
	more()
	runner := config(log, url)
	runner.Fingerprint = ownFingerprint(t)
	r := start(t, runner)
	reach(t, log, pool)
	audited := func(when string) {
		t.Helper()
		reach(t, log, pool)
		report, err := audit.All(t.Context(), pool, log, nil, nil)
		if err != nil || report.Drifted != 0 || report.Orders < bookings {
			t.Errorf("%s: %d audited, %d differ, %v", when, report.Orders, report.Drifted, err)
		}
		same(t, when, project(t, log, nil), dump(t, pool))
	}
	audited("without parts")
	e := newEngine(t, rebuildConfig(t, log, url, t.TempDir()))
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if whole, parted := partsOf(t, pool, "ledger_data"), partsOf(t, pool, besideNext); whole != 0 || parted != 16 {
		t.Fatalf("%d parts are live, %d are next", whole, parted)
	}
	if proof, err := e.Verify(t.Context()); err != nil || !proof.Equal() || !proof.Compared {
		t.Fatalf("%+v, %v", proof, err)
	}
	var id string
	if err := pool.QueryRow(t.Context(), "SELECT order_id FROM journal_lines WHERE order_id !~ 'booked' GROUP BY 1 ORDER BY count(*) DESC LIMIT 1").Scan(&id); err != nil {
		t.Fatal(err)
	}
	gone := make(map[string]int64)
	for _, table := range []string{"order_history", "journal_lines"} {
		tag, err := pool.Exec(t.Context(), "DELETE FROM "+table+" WHERE order_id = $1", id)
		if err != nil {
			t.Fatal(err)
		}
		gone[table] = tag.RowsAffected()
	}
	proof, err := e.Verify(t.Context())
	if err != nil || proof.Equal() {
		t.Fatalf("%+v, %v", proof, err)
	}
	for _, m := range proof.Models {
		if int64(m.Different) != gone[m.Table] || int64(m.OnlyNext) != gone[m.Table] {
			t.Errorf("%d rows of %s differ, %d are gone", m.Different, m.Table, gone[m.Table])
		}
	}
	if err := projections.Heal(t.Context(), pool, log, id); err != nil {
		t.Fatal(err)
	}
	audited("healed")
	more()
	reach(t, log, pool)
	if err := e.Swap(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	more()
	audited("swapped")
	if err := projections.Heal(t.Context(), pool, log, id); err != nil {
		t.Fatal(err)
	}
	audited("healed in parts")
	if live, before := partsOf(t, pool, "ledger_data"), partsOf(t, pool, besideBefore); live != 16 || before != 0 {
		t.Fatalf("%d parts are live, %d were before", live, before)
	}
	if err := e.Rollback(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	more()
	audited("back")
	if err := e.FreezeRecorded(t.Context(), "month", day.AddDate(10, 0, 0)); err != nil {
		t.Fatal(err)
	}
	same(t, "the copy", dump(t, pool), dumpSchema(t, pool, "ledger_data_frozen_month"))
	if _, err := e.All(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	more()
	audited("swapped again")
	r.stop(t)
}
