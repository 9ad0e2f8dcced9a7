package projections_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/projections/rebuild"
)

// Every row that differs is counted, by column too, wherever it is in the table, and a rare difference is shown among many others.
func TestVerify_CountsWhatDiffers(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(38).history(t, 1600, 2500))
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	e := newEngine(t, rebuildConfig(t, log, url, t.TempDir()))
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec := func(sql string) int {
		t.Helper()
		tag, err := pool.Exec(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		return int(tag.RowsAffected())
	}
	captured := exec("UPDATE ledger_data.orders SET captured = captured + 1 WHERE order_id < (SELECT max(order_id) FROM ledger_data.orders)")
	exec("UPDATE ledger_data.orders SET flags = '{odd}', gateway_status = 'odd' WHERE order_id = (SELECT max(order_id) FROM ledger_data.orders)")
	exec("UPDATE ledger_data.orders SET settled = settled + 1 WHERE order_id = (SELECT min(order_id) FROM ledger_data.orders)")
	events := exec("DELETE FROM ledger_data.order_history WHERE order_id = (SELECT max(order_id) FROM ledger_data.orders)")
	exec("INSERT INTO ledger_data.payments (order_id, payment_id, status, last_occurred_at) VALUES ('invented', 'invented', 'x', now())")
	if captured <= 1000 || events == 0 {
		t.Fatalf("%d orders and %d events are no test", captured, events)
	}
	exec("ALTER TABLE ledger_data.refunds ADD COLUMN extra text")
	proof, err := e.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]rebuild.ModelProof)
	for _, m := range proof.Models {
		if len(m.Slices) > 0 {
			found[m.Table] = m
		}
	}
	orders := found["orders"]
	if orders.Different != captured+1 || orders.Orders != captured+1 || orders.Looked != captured+1 || orders.OnlyLive+orders.OnlyNext != 0 {
		t.Errorf("%d rows of %d orders differ, %d were looked into, want %d", orders.Different, orders.Orders, orders.Looked, captured+1)
	}
	want := []rebuild.ColumnCount{{Column: "captured", Rows: captured}, {Column: "flags", Rows: 1}, {Column: "gateway_status", Rows: 1}, {Column: "settled", Rows: 1}}
	if diff := cmp.Diff(want, orders.Columns); diff != "" {
		t.Errorf("the columns of orders: %s", diff)
	}
	if last := orders.Differences[len(orders.Differences)-1]; len(orders.Differences) != 1001 || last.Columns[0].Column != "flags" || len(last.Columns) != 2 {
		t.Errorf("%d rows are shown, the last is %+v", len(orders.Differences), last)
	}
	history := found["order_history"]
	if history.Different != events || history.Orders != 1 || history.OnlyNext != events || len(history.Columns) != 0 || history.Differences[0].Missing != rebuild.MissingLive {
		t.Errorf("the events that are missing: %+v", history)
	}
	if p := found["payments"]; p.Different != 1 || p.OnlyLive != 1 || p.Differences[0].Missing != rebuild.MissingNext {
		t.Errorf("the payment too many: %+v", p)
	}
	refunds := found["refunds"]
	if len(refunds.Shape) != 1 || !strings.Contains(refunds.Shape[0], "no column extra") || len(refunds.Differences) != 0 || int64(refunds.Different) != refunds.LiveRows {
		t.Errorf("the column too many: %+v", refunds)
	}
	if len(found) != 4 {
		t.Errorf("%d tables differ, want 4", len(found))
	}
}
