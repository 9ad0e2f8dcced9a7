package projections_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/audit"
	"github.com/order-ledger/order-ledger/projections/refold"
)

// auditOrder audits one order that must be known.
func auditOrder(tb testing.TB, pool *pgxpool.Pool, log eventstore.Reader, id string) audit.Finding {
	tb.Helper()
	f, err := audit.Order(tb.Context(), pool, log, id)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// known leaves out the orders of a world that nothing was told of.
func (w *world) known() []*simulated {
	return slices.DeleteFunc(slices.Clone(w.orders), func(s *simulated) bool { return !s.state.Exists })
}

// TestAudit_FindsNothingWhereNothingIs: what the log says of every order, worked out without a
// database, is what the views say, column by column; parked orders, those of foreign clients and those
// whose newest events are not projected yet included.
func TestAudit_FindsNothingWhereNothingIs(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(31)
	appendMany(t, log, w.history(t, 40, 500))
	ids := []string{"strange id é"}
	for _, s := range w.known() {
		ids = append(ids, s.id)
	}
	twice := w.known()[3].id
	appendAll(t, log, []appended{
		{w.known()[0].stream, []eventstore.EventData{foreign("OrderTeleported", `{"to":"mars\u0000"}`, plainMetadata)}},
		{w.known()[0].stream, []eventstore.EventData{foreign("OrderIssued", "\xff<xml/>", "no json")}},
		{"order-strange id é", []eventstore.EventData{foreign("OrderIssued", `{}`, plainMetadata)}},
		{order.StreamName(order.CategoryPayout, twice), []eventstore.EventData{foreign("OrderIssued", `{}`, plainMetadata)}},
	})
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	appendMany(t, log, w.history(t, 3, 60))
	parkedSeen := 0
	for _, id := range ids {
		f := auditOrder(t, pool, log, id)
		if len(f.Drift) > 0 {
			t.Errorf("order %s at %s: %+v", id, f.Position, f.Drift)
		}
		if f.Parked {
			parkedSeen++
		}
	}
	if parkedSeen != 3 {
		t.Errorf("%d parked orders were audited, want 3", parkedSeen)
	}
	if _, err := audit.Order(t.Context(), pool, log, "nobody"); !errors.Is(err, refold.ErrNotFound) {
		t.Errorf("an order that nobody knows: %v", err)
	}
}

// drifts are ways in which a row can come to say something else than the log: what is done to the
// row, and a field that the audit must name.
func drifts(id string) map[string]struct{ sql, field string } {
	at := fmt.Sprintf(" WHERE order_id = '%s'", id)
	return map[string]struct{ sql, field string }{
		"Amount":        {"UPDATE ledger_data.orders SET captured = captured + 0.01" + at, "order.captured"},
		"State":         {"UPDATE ledger_data.orders SET payment_state = CASE payment_state WHEN 'PAID' THEN 'UNPAID' ELSE 'PAID' END" + at, "order.payment_state"},
		"Due":           {"UPDATE ledger_data.orders SET amount_due = NULL" + at, "order.amount_due"},
		"Flag":          {"UPDATE ledger_data.orders SET flags = '{parked}'" + at, "order.flags"},
		"Reference":     {"UPDATE ledger_data.orders SET merchant_reference = 'x'" + at, "order.merchant_reference"},
		"Time":          {"UPDATE ledger_data.orders SET first_recorded_at = now()" + at, "order.first_recorded_at"},
		"Behind":        {"UPDATE ledger_data.orders SET revision = revision - 1" + at, "order.revision"},
		"Ahead":         {"UPDATE ledger_data.orders SET revision = revision + 9" + at, "order.revision"},
		"Gone":          {"DELETE FROM ledger_data.orders" + at, "order.order_id"},
		"PaymentStatus": {"UPDATE ledger_data.payments SET status = 'x'" + at, "status"},
		"PaymentGone":   {"DELETE FROM ledger_data.payments" + at, "payment_id"},
		"PaymentTooMany": {"INSERT INTO ledger_data.payments (order_id, payment_id, status, last_occurred_at) VALUES ('" + id +
			"', 'made up', 'CAPTURED', now())", "payments[made up]"},
		"Refund":          {"UPDATE ledger_data.refunds SET amount = amount + 1" + at, "amount"},
		"RefundGone":      {"DELETE FROM ledger_data.refunds" + at, "refund_id"},
		"Dispute":         {"UPDATE ledger_data.disputes SET held = held + 1" + at, "held"},
		"Step":            {"UPDATE ledger_data.dispute_timeline SET moved = moved - 1" + at, "moved"},
		"StepGone":        {"DELETE FROM ledger_data.dispute_timeline" + at, "seq"},
		"HistoryGone":     {"DELETE FROM ledger_data.order_history" + at + " AND revision = 1", "history[1]"},
		"HistoryRewriten": {"UPDATE ledger_data.order_history SET data = '{}'" + at + " AND revision = 1", "history[1].data"},
		"HistoryActor":    {"UPDATE ledger_data.order_history SET actor = 'mallory'" + at + " AND revision = 1", "history[1].actor"},
		"HistoryTooMuch": {"INSERT INTO ledger_data.order_history SELECT order_id, 9999, 0, event_id, event_type, occurred_at, " +
			"recorded_at, source, actor, data, metadata FROM ledger_data.order_history" + at + " AND revision = 1", "history[9999]"},
		"HistoryOfAnother": {"UPDATE ledger_data.order_history SET order_id = 'nobody'" + at + " AND revision = 1", "history[1]"},
		"JournalOfAnother": {"WITH taken AS (DELETE FROM ledger_data.journal_lines" + at + " RETURNING *) INSERT INTO ledger_data.journal_lines " +
			"SELECT 'nobody', revision, line, position, event_id, posting_date, value_date, recorded_at, account, currency, amount, " +
			"source, source_account, entity FROM taken", "journal"},
	}
}

// TestAudit_FindsAndHeals changes rows behind the ledger's back, one way after the other. Each is
// found, named, and healed to what was there before, while the runner leads and is not disturbed.
func TestAudit_FindsAndHeals(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(32)
	victim := w.addOrder()
	victim.kind, victim.test = order.KindPayment, false
	victim.stream = order.StreamName(order.CategoryOrder, victim.id)
	appendAll(t, log, w.history(t, 3, 30))
	for len(victim.state.Disputes) == 0 || len(victim.state.Refunds) == 0 || !victim.state.Balances().Captured.IsPositive() {
		if a, ok := w.notify(t, victim); ok {
			appendAll(t, log, []appended{a})
		}
	}
	r := start(t, config(log, url))
	reach(t, log, pool)
	want := dump(t, pool)
	epoch := r.Status(t.Context()).Checkpoint.Epoch
	for name, d := range drifts(victim.id) {
		tag, err := pool.Exec(t.Context(), d.sql)
		if err != nil || tag.RowsAffected() == 0 {
			t.Fatalf("%s: %d rows, %v", name, tag.RowsAffected(), err)
		}
		f := auditOrder(t, pool, log, victim.id)
		if !slices.ContainsFunc(f.Drift, func(d2 audit.Difference) bool { return strings.Contains(d2.Field, d.field) }) {
			t.Errorf("%s: the audit found %+v, not %s", name, f.Drift, d.field)
		}
		if err := projections.Heal(t.Context(), pool, log, victim.id); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		same(t, name+", healed", want, dump(t, pool))
	}
	if st := r.Status(t.Context()); st.Checkpoint.Epoch != epoch || st.Failures != 0 {
		t.Errorf("healing disturbed the runner: %+v", st)
	}
	appendAll(t, log, w.history(t, 0, 10))
	reach(t, log, pool)
	same(t, "going on", project(t, log, nil), dump(t, pool))
}

// TestHeal_ParkedAndUnknown: a parked order is written as a parked order, one that lost its parking is
// parked again, and an order that the log does not know is forgotten.
func TestHeal_ParkedAndUnknown(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(33)
	appendAll(t, log, w.history(t, 4, 40))
	victim := w.known()[0]
	appendAll(t, log, []appended{
		{victim.stream, []eventstore.EventData{foreign("OrderTeleported", `{}`, plainMetadata)}},
		{victim.stream, []eventstore.EventData{foreign("OrderIssued", `{}`, plainMetadata)}},
	})
	r := start(t, config(log, url))
	reach(t, log, pool)
	want := dump(t, pool)
	heal := func(what, sql, id string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		if f := auditOrder(t, pool, log, id); len(f.Drift) == 0 {
			t.Errorf("%s: not found", what)
		}
		if err := projections.Heal(t.Context(), pool, log, id); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		same(t, what, want, dump(t, pool))
	}
	heal("a parked order", "UPDATE ledger_data.orders SET source = 'x' WHERE order_id = '"+victim.id+"'; DELETE FROM ledger_data.order_history WHERE order_id = '"+victim.id+"'", victim.id)
	heal("a lost parking", "DELETE FROM ledger_data.parked_orders", victim.id)
	eventually(t, "the leader to see what is parked", func() bool { return r.Status(t.Context()).Parked == 1 })
	heal("an order from nowhere", `INSERT INTO ledger_data.payments (order_id, payment_id, status, last_occurred_at)
		VALUES ('nowhere', 'p', 'CAPTURED', now()); INSERT INTO ledger_data.payouts (order_id, source, source_account, payout_state,
		first_recorded_at, last_recorded_at, revision, position) VALUES ('nowhere', 'x', 'x', 'PAID', now(), now(), 0, 0)`, "nowhere")
}
