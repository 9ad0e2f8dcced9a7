package projections_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
)

// booksHold checks what must be true of the journal at any time, in SQL alone: every entry balances, every
// customer order is in the books, and its accounts say what its public amounts say.
func booksHold(tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()
	for what, sql := range map[string]string{
		"entries out of balance": `SELECT count(*) FROM (SELECT FROM ledger.journal_lines GROUP BY entry_id, currency HAVING sum(debit) <> sum(credit)) x`,
		"months out of balance":  `SELECT count(*) FROM (SELECT FROM ledger.trial_balance GROUP BY period, currency HAVING sum(debit) <> sum(credit)) x`,
		"orders whose accounts differ from their amounts": `
			SELECT count(*) FROM ledger.orders o LEFT JOIN LATERAL (
			  SELECT coalesce(sum(debit - credit) FILTER (WHERE account IN ('1010', '1100', '1110', '1190', '5200', '5210') AND j.currency = o.currency), 0) AS cash,
			    coalesce(sum(credit - debit) FILTER (WHERE account = '2100'), 0) AS pending,
			    coalesce(sum(debit - credit) FILTER (WHERE account = '9100'), 0) AS held,
			    coalesce(sum(debit - credit) FILTER (WHERE account = '9110'), 0) AS expected,
			    coalesce(sum(debit - credit) FILTER (WHERE account = '1110'), 0) AS external,
			    coalesce(sum(debit - credit) FILTER (WHERE account IN ('4090', '5100', '1150', '1160')), 0)
			      + coalesce(sum(debit) FILTER (WHERE account = '2200'), 0) AS went_back
			  FROM ledger.journal_lines j WHERE j.order_id = o.order_id) b ON true
			WHERE (b.cash, b.pending, b.held, b.expected, b.external) IS DISTINCT FROM
			  (o.net, o.refund_pending, o.authorised, o.expected, o.received_externally)`,
		"test orders in the books": `SELECT count(*) FROM ledger.journal_lines JOIN ledger.test_orders USING (order_id)`,
		"late lines on a day that is not the first of a month": `
			SELECT count(*) FROM ledger.journal_lines WHERE late_posting <> (posting_date > value_date) OR late_posting AND extract(day FROM posting_date) <> 1`,
	} {
		var n int
		if err := pool.QueryRow(tb.Context(), sql).Scan(&n); err != nil {
			tb.Fatalf("%s: %v", what, err)
		}
		if n > 0 {
			tb.Errorf("%d %s", n, what)
		}
	}
}

// changePeriod appends what closes a period, or opens it again.
func changePeriod(tb testing.TB, log eventstore.Appender, eventType, period, actor, approver string) {
	tb.Helper()
	data, err := json.Marshal(accounting.PeriodChanged{Entity: accounting.DefaultEntity, Period: period, Approver: approver, Reason: "found"})
	if err != nil {
		tb.Fatal(err)
	}
	metadata, err := json.Marshal(order.Metadata{Schema: 1, Actor: actor, RecordedAt: time.Date(2026, 11, 5, 9, 0, 0, 0, time.UTC)})
	if err != nil {
		tb.Fatal(err)
	}
	e := eventstore.EventData{ID: uuid.New(), Type: eventType, Data: data, Metadata: metadata}
	if _, err := log.Append(tb.Context(), accounting.PeriodStream(accounting.DefaultEntity), eventstore.Any, e); err != nil {
		tb.Fatal(err)
	}
}

// TestJournal_HoldsWithPeriods: what comes after a month was closed counts in the first open month, for
// ever: whether it is projected as it comes, with restarts anywhere, or all at once.
func TestJournal_HoldsWithPeriods(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(71)
	history := w.history(t, 25, 400)
	months := monthsOf(history)
	r := start(t, config(log, url))
	for i, a := range history {
		if _, err := log.Append(t.Context(), a.stream, eventstore.Any, a.events...); err != nil {
			t.Fatal(err)
		}
		switch i {
		case len(history) / 3:
			changePeriod(t, log, accounting.PeriodClosedType, months[len(months)-1], "kim", "")
			reach(t, log, pool)
			booksHold(t, pool)
			r.stop(t)
			r = start(t, config(log, url))
			reach(t, log, pool) // it leads, and learns of what follows from the log alone
		case len(history) / 2:
			reach(t, log, pool)
			changePeriod(t, log, accounting.PeriodReopenedType, months[len(months)-1], "kim", "kim") // one person: void
			changePeriod(t, log, accounting.PeriodReopenedType, months[len(months)-1], "kim", "lee")
		case 2 * len(history) / 3:
			changePeriod(t, log, accounting.PeriodClosedType, months[0], "kim", "")
		}
	}
	reach(t, log, pool)
	r.stop(t)
	booksHold(t, pool)
	var late, changes int
	if err := pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM ledger.journal_lines WHERE late_posting),
		(SELECT count(*) FROM ledger.periods)`).Scan(&late, &changes); err != nil {
		t.Fatal(err)
	}
	if late == 0 || changes != 3 {
		t.Errorf("%d late lines, %d changes of periods", late, changes)
	}
	live := dump(t, pool)
	same(t, "projected again from the start", live, project(t, log, func(c *projections.Config) { c.BatchEvents = 7 }))
	e := newEngine(t, rebuildConfig(t, log, url, t.TempDir()))
	if _, err := e.All(context.WithoutCancel(t.Context()), ""); err != nil {
		t.Fatal(err)
	}
	same(t, "rebuilt", live, dump(t, pool))
}

// TestJournal_OrdersStayInTheirBooks: when an account moves to another entity, the orders that it has stay where they are,
// live, after a restart, healed and rebuilt; and the day of a statement's line is a day west of Greenwich too.
func TestJournal_OrdersStayInTheirBooks(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(73)
	define := func(d accounting.EntityDefined) {
		t.Helper()
		data, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		metadata, err := json.Marshal(order.Metadata{Schema: 1, Actor: "kim", RecordedAt: day})
		if err != nil {
			t.Fatal(err)
		}
		e := eventstore.EventData{ID: uuid.New(), Type: accounting.EntityDefinedType, Data: data, Metadata: metadata}
		if _, err := log.Append(t.Context(), accounting.EntityStream, eventstore.Any, e); err != nil {
			t.Fatal(err)
		}
	}
	paid := func() *simulated {
		t.Helper()
		s := w.addOrder()
		s.kind, s.test, s.due = order.KindPayment, false, money.MustParse("100.00", "EUR")
		s.stream = order.StreamName(order.CategoryOrder, s.id)
		a, _ := w.notifyOf(t, s, order.Captured{
			At: order.At{Key: "paid", OccurredAt: day, Basis: order.BasisSourceField}, Payment: order.PaymentRef{SourceID: "p"}, Amount: &s.due,
		})
		appendAll(t, log, []appended{a})
		return s
	}
	r := start(t, config(log, url))
	define(accounting.EntityDefined{Entity: "west", TimeZone: "America/New_York", Accounts: []string{"decta/default"}})
	old := paid()
	define(accounting.EntityDefined{Entity: "west", TimeZone: "America/New_York", Accounts: []string{"decta/other"}})
	reach(t, log, pool)
	r.stop(t)
	start(t, config(log, url))
	recorded := day.AddDate(0, 0, 2)
	line, ok := settle(t, log, recorded, old.stream, "a", 1)
	if !ok {
		t.Fatal("the statement settles nothing")
	}
	young := paid()
	reach(t, log, pool)
	booksHold(t, pool)
	for s, want := range map[*simulated]string{old: "west", young: accounting.DefaultEntity} {
		var entities string
		if err := pool.QueryRow(t.Context(), `SELECT string_agg(DISTINCT entity, ' ') FROM ledger.journal_lines WHERE order_id = $1`, s.id).Scan(&entities); err != nil || entities != want {
			t.Errorf("an order is in the books of %q, want %q: %v", entities, want, err)
		}
		if f := auditOrder(t, pool, log, s.id); len(f.Drift) > 0 {
			t.Errorf("the audit finds %+v", f.Drift)
		}
	}
	var days string
	if err := pool.QueryRow(t.Context(), `SELECT string_agg(DISTINCT value_date::text, ' ') FROM ledger.journal_lines JOIN ledger.order_history USING (event_id)
		WHERE event_type = 'PaymentSettled'`).Scan(&days); err != nil || days != line.ValueDate {
		t.Errorf("the line of %s is on %s: %v", line.ValueDate, days, err)
	}
	live := dump(t, pool)
	if err := projections.Heal(t.Context(), pool, log, old.id); err != nil {
		t.Fatal(err)
	}
	same(t, "healed", live, dump(t, pool))
	e := newEngine(t, rebuildConfig(t, log, url, t.TempDir()))
	if _, err := e.All(context.WithoutCancel(t.Context()), ""); err != nil {
		t.Fatal(err)
	}
	same(t, "rebuilt", live, dump(t, pool))
}

// monthsOf are the months in which anything of a history happened, like 2026-10, oldest first.
func monthsOf(history []appended) []string {
	first, last := time.Time{}, time.Time{}
	for _, a := range history {
		for _, e := range a.events {
			var m order.Metadata
			if json.Unmarshal(e.Metadata, &m) != nil || m.OccurredAt.IsZero() {
				continue
			}
			if first.IsZero() || m.OccurredAt.Before(first) {
				first = m.OccurredAt
			}
			if m.OccurredAt.After(last) {
				last = m.OccurredAt
			}
		}
	}
	var months []string
	for p := accounting.PeriodOf(first); !p.First().After(last); p = p.Next() {
		months = append(months, fmt.Sprint(p))
	}
	return months
}
