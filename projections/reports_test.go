package projections_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/projections/reports"
)

func answer(tb testing.TB, pool *pgxpool.Pool, name string, p reports.Params) reports.Table {
	tb.Helper()
	report, err := reports.Find(name)
	if err != nil {
		tb.Fatal(err)
	}
	table, err := report.Run(tb.Context(), pool, p)
	if err != nil {
		tb.Fatal(err)
	}
	return table
}

// TestReports_WhatWasKnownStays: what was known at a time is answered the same for ever, by every report,
// whatever comes later.
func TestReports_WhatWasKnownStays(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(81)
	history := w.history(t, 40, 600)
	start(t, config(log, url))
	appendMany(t, log, history[:300])
	reach(t, log, pool)
	var known time.Time
	if err := pool.QueryRow(t.Context(), "SELECT max(recorded_at) FROM ledger.order_history").Scan(&known); err != nil {
		t.Fatal(err)
	}
	stateTogether(t, log, known, history[:300])
	reach(t, log, pool)
	before := known.AddDate(0, -1, 0)
	questions := map[string]reports.Params{
		"what was known": {AsOf: &known, KnownFrom: &before, Memo: true}, "what had happened, as known": {AsOf: &known, AsAt: &known, KnownFrom: &before, Daily: true},
	}
	first := map[string]reports.Table{}
	var silent []string // holds and unknown outcomes are rare, and no period is closed
	for question, p := range questions {
		for _, r := range reports.All() {
			table := answer(t, pool, r.Name, p)
			first[question+" "+r.Name] = table
			if len(table.Rows) == 0 && r.Name != "unknown" && r.Name != "late-postings" && r.Name != "holds" && r.Name != "reconciliation-gateway" {
				silent = append(silent, r.Name)
			}
		}
	}
	if len(silent) > 0 {
		t.Fatalf("reports with nothing to say: %v", silent)
	}
	appendMany(t, log, history[300:]) // recorded later
	stateTogether(t, log, known.AddDate(0, 0, 1), history)
	reach(t, log, pool)
	for question, p := range questions {
		for _, r := range reports.All() {
			if diff := cmp.Diff(first[question+" "+r.Name], answer(t, pool, r.Name, p)); diff != "" {
				t.Errorf("%s, %s: the past changed:\n%s", r.Name, question, diff)
			}
		}
	}
	booksHold(t, pool)
}

// stateTogether imports a statement about the orders of a history: payments that match, one that nobody knows,
// and a payout that the bank has not.
func stateTogether(t *testing.T, log *node.Node, recorded time.Time, history []appended) {
	t.Helper()
	id := recorded.Format(time.RFC3339Nano)
	eur := money.MustParse("40.00", "EUR")
	lines := []settlement.Line{
		{Number: 1, Kind: settlement.Payment, References: []string{"nobody's"}, ValueDate: recorded.Format(time.DateOnly), Gross: eur},
		{Number: 2, Kind: settlement.Payout, SettlementRef: "PO-1", ValueDate: recorded.Format(time.DateOnly), Gross: eur},
	}
	seen := map[string]bool{}
	for _, a := range history {
		if category, _, ok := order.ParseStreamName(a.stream); ok && category == order.CategoryOrder && !seen[a.stream] && len(lines) < 6 {
			seen[a.stream] = true
			if line, ok := settle(t, log, recorded, a.stream, id, len(lines)+1); ok {
				lines = append(lines, line)
			}
		}
	}
	appendStatement(t, log, recorded, id, settlement.LinesRecorded{StatementID: id, Lines: lines},
		settlement.Imported{
			Header:      settlement.Header{Format: settlement.CSV, Gateway: "decta", Account: "default", Side: settlement.AtGateway, FileSHA256: "00ff", Days: 14},
			StatementID: id, Lines: len(lines),
		},
		order.SettlementMismatchFlagged{StatementID: id, Line: 1, Kind: settlement.Payment, Reason: settlement.UnknownReference, Amount: eur},
		settlement.StatementMatched{StatementID: id, Pass: 1, Matched: len(lines) - 2, Unmatched: 1})
	appendBooking(t, log, recorded, id, settlement.LineBookedType, settlement.LineBooked{
		StatementID: id, Line: 1, Kind: settlement.Payment, As: settlement.BookedSuspense, Gross: eur, ValueDate: lines[0].ValueDate})
}

// TestReports_AreFunctions: every report is a function in the database too, which answers the same, for one gateway
// as for all. Publishing again changes nothing.
func TestReports_AreFunctions(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(83).history(t, 40, 500))
	start(t, config(log, url))
	reach(t, log, pool)
	conn := connection(t, url)
	functions := func() (names []string) {
		rows, err := conn.Query(t.Context(), "SELECT oid::text || proname FROM pg_proc WHERE pronamespace = 'ledger'::regnamespace ORDER BY 1")
		if err == nil {
			names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	if err := reports.Publish(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	made := functions()
	if err := reports.Publish(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(made, functions()); diff != "" || len(made) != len(reports.All()) {
		t.Errorf("publishing again made other functions, or there are not %d of them:\n%s", len(reports.All()), diff)
	}
	now := time.Now()
	before := now.AddDate(-1, 0, 0)
	for _, r := range reports.All() {
		for _, source := range []string{"", "decta"} {
			want := answer(t, pool, r.Name, reports.Params{AsOf: &now, KnownFrom: &before, Source: source})
			call := "as_of => $1, of_source => nullif($2, '')"
			args := []any{now, source}
			if r.NeedsKnownFrom() {
				call, args = call+", known_from => $3", append(args, before)
			}
			var rows int
			if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM ledger."+r.Function()+"("+call+")", args...).Scan(&rows); err != nil {
				t.Fatalf("%s: %v", r.Name, err)
			}
			if rows != len(want.Rows) {
				t.Errorf("%s of %q: %d rows by the function, %d by the ledger", r.Name, source, rows, len(want.Rows))
			}
			if i := slices.Index(want.Columns, "source"); source != "" && i >= 0 {
				for _, row := range want.Rows {
					if row[i] == nil || *row[i] != source {
						t.Errorf("%s of %s shows a row of another gateway", r.Name, source)
					}
				}
			}
		}
	}
}

// TestReports_TotalsAddUp: what came in less what went out is the net of each line, payouts included.
func TestReports_TotalsAddUp(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(84).history(t, 60, 900))
	start(t, config(log, url))
	reach(t, log, pool)
	var lines, wrong int
	if err := reports.Publish(t.Context(), connection(t, url)); err != nil {
		t.Fatal(err)
	}
	if err := pool.QueryRow(t.Context(), `SELECT count(*), count(*) FILTER (
		WHERE captured + received_externally - reversed - refunded - disputed - paid_out + corrected <> net)
		FROM ledger.report_totals(daily => true)`).Scan(&lines, &wrong); err != nil {
		t.Fatal(err)
	}
	if lines == 0 || wrong > 0 {
		t.Errorf("%d of %d lines do not add up", wrong, lines)
	}
}

// TestReports_AnomaliesAreTheFlags: without a clock, the work list of orders is their flags; with one it is never less than
// what events carried by then.
func TestReports_AnomaliesAreTheFlags(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(85).history(t, 60, 900))
	start(t, config(log, url))
	reach(t, log, pool)
	if err := reports.Publish(t.Context(), connection(t, url)); err != nil {
		t.Fatal(err)
	}
	var flags, missing, more int
	if err := pool.QueryRow(t.Context(), `
		WITH shown AS (SELECT id, code FROM ledger.report_anomalies() WHERE kind = 'order'),
		flagged AS (SELECT order_id, unnest(flags) AS code FROM (SELECT order_id, flags FROM ledger.orders UNION ALL SELECT order_id, flags FROM ledger.payouts) AS o)
		SELECT (SELECT count(*) FROM flagged), (SELECT count(*) FROM (TABLE flagged EXCEPT TABLE shown) AS m),
			(SELECT count(*) FROM (TABLE shown EXCEPT TABLE flagged) AS m)`).Scan(&flags, &missing, &more); err != nil {
		t.Fatal(err)
	}
	if flags == 0 || missing > 0 || more > 0 {
		t.Errorf("%d flags, %d of them not listed, %d listed that no order has", flags, missing, more)
	}
	if err := pool.QueryRow(t.Context(), `
		WITH shown AS (SELECT id, code FROM ledger.report_anomalies(as_of => now()) WHERE kind = 'order'),
		flagged AS (SELECT order_id, unnest(flags) AS code FROM ledger.orders)
		SELECT count(*) FROM (TABLE flagged EXCEPT TABLE shown) AS m
		WHERE code NOT IN ('amount_pending', 'due_unknown', 'gateway_state_mismatch')`).Scan(&missing); err != nil {
		t.Fatal(err)
	}
	if missing > 0 {
		t.Errorf("%d flags that events carry are not known as of now", missing)
	}
}

// connection is one of the test's own.
func connection(tb testing.TB, url string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close(context.WithoutCancel(tb.Context())) })
	return conn
}

// TestReports_MonthsFollowEachOther: the trial balance is zero per currency, closing balances of a month
// are the opening balances of the next, and its digest does not depend on the order of lines.
func TestReports_MonthsFollowEachOther(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(82)
	history := w.history(t, 40, 500)
	appendMany(t, log, history)
	start(t, config(log, url))
	reach(t, log, pool)
	closing := map[string]string{}
	for i, month := range monthsOf(history) {
		period, err := accounting.ParsePeriod(month)
		if err != nil {
			t.Fatal(err)
		}
		p := reports.Params{Memo: true}
		p.Period(period)
		lines, err := reports.TrialBalance(t.Context(), pool, p)
		if err != nil {
			t.Fatal(err)
		}
		sums := map[string]money.Money{}
		for _, l := range lines {
			key := l.Currency + " " + l.Source + " " + l.SourceAccount + " " + l.Account
			if opened, ok := closing[key]; ok && opened != l.Opening {
				t.Errorf("%s %s opens with %s and closed with %s", month, key, l.Opening, opened)
			} else if !ok && i > 0 && !money.MustParse(l.Opening, l.Currency).IsZero() {
				t.Errorf("%s %s opens with %s from nowhere", month, key, l.Opening)
			}
			closing[key] = l.Closing
			sum, ok := sums[l.Currency]
			if !ok {
				sum = money.Zero(money.MustCurrency(l.Currency))
			}
			if sums[l.Currency], err = sum.Add(money.MustParse(l.Closing, l.Currency)); err != nil {
				t.Fatal(err)
			}
		}
		for currency, sum := range sums {
			if !sum.IsZero() {
				t.Errorf("%s is out of balance by %s %s", month, sum, currency)
			}
		}
		digest := accounting.HashTrialBalance(lines)
		if len(lines) > 1 {
			lines[0], lines[1] = lines[1], lines[0]
			if accounting.HashTrialBalance(lines) != digest {
				t.Error("the digest depends on the order")
			}
			lines[0].Closing += "1"
			if accounting.HashTrialBalance(lines) == digest {
				t.Error("the digest does not cover the closing balance")
			}
		}
	}
	if len(closing) == 0 {
		t.Fatal("no balances")
	}
}

// TestInert: no text of a report becomes a formula in a spreadsheet, and amounts stay numbers.
func TestInert(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-2+3": "'-2+3", "@SUM(A1)": "'@SUM(A1)", "\tx": "'\tx", "-12.50": "-12.50", "12.50": "12.50",
		"": "", "decta": "decta", "-": "'-", "--1": "'--1", " =1": "' =1", "\r\n+1": "'\r\n+1", "\nx": "'\nx", "＝1+1": "'＝1+1", "＠x": "'＠x",
		"\u00a0\u3000-x": "'\u00a0\u3000-x", "\u200b\ufeff=1": "'\u200b\ufeff=1", "\x00@x": "'\x00@x", " a": " a", " ": " ", "é=1": "é=1", "−5": "−5",
	} {
		if got := reports.Inert(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
