package projections_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/projections/audit"
)

// snapshotCounter is a pool that counts the snapshots that are taken of it.
type snapshotCounter struct {
	*pgxpool.Pool
	snapshots int
}

func (c *snapshotCounter) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	c.snapshots++
	return c.Pool.BeginTx(ctx, options)
}

// TestAudit_BookingsTogether: a bank's statement has thousands of lines that belong to no order. They are audited many at a time,
// and the one that differs is found and healed.
func TestAudit_BookingsTogether(t *testing.T) {
	t.Parallel()
	const lines = 1203
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	for i := range lines {
		appendBooking(t, log, imported, fmt.Sprint(i), settlement.LineBookedType, settlement.LineBooked{
			StatementID: "s1", Line: i + 1, Kind: settlement.Payment, As: settlement.BookedSuspense, Gross: money.MustParse("12.50", "EUR"), ValueDate: "2026-10-02"})
	}
	start(t, config(log, url))
	reach(t, log, pool)
	db := &snapshotCounter{Pool: pool}
	r, err := audit.All(t.Context(), db, log, nil, nil)
	if err != nil || r.Orders != lines || r.Drifted != 0 {
		t.Fatalf("%d audited, %d differ, %v", r.Orders, r.Drifted, err)
	}
	if db.snapshots > 10 {
		t.Errorf("%d lines took %d snapshots", lines, db.snapshots)
	}
	before := dump(t, pool)
	for _, sql := range []string{
		`DELETE FROM ledger_data.journal_lines WHERE order_id = 'settlement-booked-7'`,
		`DELETE FROM ledger_data.journal_lines WHERE order_id = 'settlement-booked-1202'`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if r := auditAll(t, pool, log, true); r.Drifted != 2 || r.Healed != 2 || r.Orders != lines {
		t.Errorf("%d audited, %d differ, %d healed: %+v", r.Orders, r.Drifted, r.Healed, r.Findings)
	}
	same(t, "healed", before, dump(t, pool))
}
