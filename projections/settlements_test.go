package projections_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/audit"
)

// appendStatement appends events to the stream of a statement, as the write side does.
func appendStatement(tb testing.TB, log eventstore.Appender, recorded time.Time, id string, events ...any) {
	tb.Helper()
	metadata, err := json.Marshal(order.Metadata{Schema: 1, Actor: "kim", Source: "decta", RecordedAt: recorded, OccurredAt: recorded})
	if err != nil {
		tb.Fatal(err)
	}
	for _, payload := range events {
		eventType := settlement.LinesRecordedType
		switch payload.(type) {
		case settlement.Imported:
			eventType = settlement.StatementImportedType
		case settlement.StatementMatched:
			eventType = settlement.StatementMatchedType
		case order.SettlementMismatchFlagged:
			eventType = order.SettlementMismatchFlagged{}.EventType()
		case string:
			eventType = "SomethingElse"
		}
		data, err := json.Marshal(payload)
		if err != nil {
			tb.Fatal(err)
		}
		e := eventstore.EventData{ID: uuid.New(), Type: eventType, JSON: true, Data: data, Metadata: metadata}
		if _, err := log.Append(tb.Context(), settlement.Stream(id), eventstore.Any, e); err != nil {
			tb.Fatal(err)
		}
	}
}

// appendBooking books a line of a gateway's statement without an order, or releases it.
func appendBooking(tb testing.TB, log eventstore.Appender, recorded time.Time, stream, eventType string, b settlement.LineBooked) {
	tb.Helper()
	b.Entity, b.Side = "default", settlement.AtGateway
	metadata, err := json.Marshal(order.Metadata{Schema: 1, Actor: "kim", Source: "decta", SourceAccount: "default", RecordedAt: recorded, OccurredAt: recorded})
	if err != nil {
		tb.Fatal(err)
	}
	data, err := json.Marshal(b)
	if err != nil {
		tb.Fatal(err)
	}
	e := eventstore.EventData{ID: uuid.New(), Type: eventType, JSON: true, Data: data, Metadata: metadata}
	if _, err := log.Append(tb.Context(), settlement.BookingStreamPrefix+stream, eventstore.Any, e); err != nil {
		tb.Fatal(err)
	}
}

// imported is when statements are, unless a test says otherwise.
var imported = time.Date(2026, 11, 5, 9, 0, 0, 0, time.UTC)

// settle matches the first payment of an order with a line of a statement, and returns the line.
func settle(tb testing.TB, log interface {
	eventstore.Appender
	eventstore.Reader
}, recorded time.Time, stream, statementID string, number int,
) (settlement.Line, bool) {
	tb.Helper()
	var state order.State
	for ev, err := range log.ReadStream(tb.Context(), stream, eventstore.StreamRead{}) {
		if err != nil {
			tb.Fatal(err)
		}
		event, metadata, err := order.Decode(ev.Type, ev.Data, ev.Metadata)
		if err != nil {
			return settlement.Line{}, false
		}
		state.Apply(order.Recorded{Event: event, ID: ev.ID, Revision: ev.Revision, Position: ev.Position.Commit, Metadata: metadata})
	}
	movements := state.Movements()
	if state.Err() != nil || len(movements) == 0 {
		return settlement.Line{}, false
	}
	m := movements[0]
	line := settlement.Line{
		Number: number, FileLine: number + 1, Kind: m.Kind, References: append([]string{"x"}, m.References...),
		ValueDate: m.At.AddDate(0, 0, 1).Format(time.DateOnly), Gross: m.Amount, SettlementRef: "PO-1",
	}
	decided, err := order.Decide(state, order.MatchSettlement{
		StatementID: statementID, Lines: []settlement.Line{line}, Window: settlement.DefaultWindow, At: recorded,
	})
	if err != nil {
		tb.Fatal(err)
	}
	var events []eventstore.EventData
	for _, d := range decided {
		eventType, data, metadata, err := order.Encode(d.Event, order.Metadata{
			OccurredAt: d.OccurredAt, OccurredAtBasis: d.Basis, RecordedAt: recorded, Source: "decta", Actor: "kim", Flags: d.Flags,
		})
		if err != nil {
			tb.Fatal(err)
		}
		events = append(events, eventstore.EventData{ID: d.ID, Type: eventType, JSON: true, Data: data, Metadata: metadata})
	}
	if _, err := log.Append(tb.Context(), stream, eventstore.Revision(state.Revision), events...); err != nil {
		tb.Fatal(err)
	}
	return line, true
}

// TestSettlements_SameHoweverProjected: statements, what they match, and what nobody can read, projected as
// they come, again from the start, and rebuilt, make the same rows; the views join both sides.
func TestSettlements_SameHoweverProjected(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	history := newWorld(91).history(t, 20, 200)
	r := start(t, config(log, url))
	appendAll(t, log, history)
	unknown := settlement.Line{Number: 1, FileLine: 2, Kind: settlement.Payment, References: []string{"nobody's"}, ValueDate: "2026-10-20", Gross: money.MustParse("1.00", "EUR")}
	payout := settlement.Line{Number: 2, FileLine: 3, Kind: settlement.Payout, SettlementRef: "PO-1", ValueDate: "2026-10-21", Gross: money.MustParse("40.00", "EUR")}
	lines := []settlement.Line{unknown, payout}
	seen := map[string]bool{}
	for _, a := range history {
		if category, _, ok := order.ParseStreamName(a.stream); !ok || category != order.CategoryOrder || seen[a.stream] {
			continue
		}
		seen[a.stream] = true
		if line, ok := settle(t, log, imported, a.stream, "s1", len(lines)+1); ok {
			lines = append(lines, line)
		}
	}
	if len(lines) < 5 {
		t.Fatalf("only %d lines", len(lines))
	}
	header := settlement.Header{Format: settlement.CSV, Gateway: "decta", Account: "default", Side: settlement.AtGateway, FileSHA256: "00ff", Days: 14}
	appendStatement(t, log, imported, "s1", settlement.LinesRecorded{StatementID: "s1", Lines: lines[:3]}, settlement.LinesRecorded{StatementID: "s1", From: 3, Lines: lines[3:]},
		settlement.Imported{Header: header, StatementID: "s1", Lines: len(lines), FirstDate: "2026-10-01", LastDate: "2026-10-30"},
		order.SettlementMismatchFlagged{StatementID: "s1", Line: 1, Kind: settlement.Payment, Reason: settlement.UnknownReference, Amount: unknown.Gross},
		settlement.StatementMatched{StatementID: "s1", Pass: 1, Matched: len(lines) - 2, Unmatched: 1},
		// A foreign client's: of another statement, of no kind, with a number that no table holds.
		settlement.Imported{Header: header, StatementID: "s2"}, "nonsense", settlement.StatementMatched{StatementID: "s1", Pass: 1 << 40},
		order.SettlementMismatchFlagged{StatementID: "s1", Line: 1 << 40, Reason: settlement.UnknownReference},
		settlement.LinesRecorded{StatementID: "s1", Lines: []settlement.Line{{Number: 9, Kind: "gift", ValueDate: "0000-01-01"}}})
	// Lines that are booked without an order: in suspense until released, in dollars, and such that nobody can read.
	booked := settlement.LineBooked{StatementID: "s1", Line: 1, Kind: settlement.Payment, As: settlement.BookedSuspense, Gross: unknown.Gross, ValueDate: unknown.ValueDate}
	appendBooking(t, log, imported, "one", settlement.LineBookedType, booked)
	appendBooking(t, log, imported, "one", settlement.LineReleasedType, booked)
	appendBooking(t, log, imported, "one", settlement.LineReleasedType, booked)
	appendBooking(t, log, imported, "two", settlement.LineReleasedType, booked)
	byHand := booked
	byHand.To, byHand.Approver, byHand.Reason = "5900", "lee", "the bank's letter"
	appendBooking(t, log, imported, "six", settlement.LineBookedType, booked)
	appendBooking(t, log, imported, "six", settlement.LineReleasedType, byHand)
	byHand.To = "1200" // nobody releases anything to what orders are counted on
	appendBooking(t, log, imported, "seven", settlement.LineBookedType, booked)
	appendBooking(t, log, imported, "seven", settlement.LineReleasedType, byHand)
	booked.As, booked.Kind, booked.Line, booked.Gross = settlement.BookedPayout, settlement.Payout, 2, payout.Gross
	appendBooking(t, log, imported, "three", settlement.LineBookedType, booked)
	booked.Exchange = &settlement.Exchange{Amount: money.MustParse("43.00", "USD"), Rate: "1.0842"}
	appendBooking(t, log, imported, "four", settlement.LineBookedType, booked)
	booked.As = "gift"
	appendBooking(t, log, imported, "five", settlement.LineBookedType, booked)
	// A statement whose import was cut off is none.
	appendStatement(t, log, imported, "s3", settlement.LinesRecorded{StatementID: "s3", Lines: []settlement.Line{unknown}})
	reach(t, log, pool)
	r.stop(t)
	booksHold(t, pool)
	if diff := cmp.Diff(map[string]int{"MATCHED": len(lines) - 2, "UNMATCHED unknown_reference": 1, "UNMATCHED missing_at_bank": 1}, lineCounts(t, pool)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"1010 EUR": "-38.00", "1105 EUR": "80.00", "1190 EUR": "-40.00", "1010 USD": "-43.00", "1190 USD": "43.37", "5900 EUR": "-1.00", "5900 USD": "-0.37", "9900 EUR": "-1.00"},
		statementBalances(t, pool)); diff != "" {
		t.Errorf("what names no order (-want +got):\n%s", diff)
	}
	var reason string
	if err := pool.QueryRow(t.Context(), `SELECT reason FROM ledger.settlement_bookings WHERE released AND reason LIKE 'to %'`).Scan(&reason); err != nil ||
		reason != "to 5900, approved by lee: the bank's letter" {
		t.Errorf("released because %q, %v", reason, err)
	}
	auditsStatements(t, log, pool)
	live := dump(t, pool)
	same(t, "projected again from the start", live, project(t, log, func(c *projections.Config) { c.BatchEvents = 7 }))
	e := newEngine(t, rebuildConfig(t, log, url, t.TempDir()))
	if _, err := e.All(context.WithoutCancel(t.Context()), ""); err != nil {
		t.Fatal(err)
	}
	same(t, "rebuilt", live, dump(t, pool))
	if diff := cmp.Diff(len(lines)-2, lineCounts(t, pool)["MATCHED"]); diff != "" {
		t.Errorf("lines of the rebuilt views (-want +got):\n%s", diff)
	}
}

// auditsStatements changes, removes and adds rows by hand: the audit finds each, and heals all.
func auditsStatements(t *testing.T, log eventstore.Reader, pool *pgxpool.Pool) {
	t.Helper()
	look := func(heal bool) []audit.Finding {
		t.Helper()
		return auditAll(t, pool, log, heal).Findings
	}
	if found := look(false); len(found) > 0 {
		t.Fatalf("statements as the runner wrote them: %v", found)
	}
	before := dump(t, pool)
	for _, statement := range []string{
		`UPDATE ledger_data.statement_lines SET gross = gross + 1 WHERE statement_id = 's1' AND line = 1`,
		`DELETE FROM ledger_data.statement_passes`, `DELETE FROM ledger_data.statement_results`,
		`INSERT INTO ledger_data.statement_passes VALUES (1, 's7', 1, 0, 0, 0, now())`,
		`DELETE FROM ledger_data.journal_lines WHERE order_id = 'settlement-booked-three'`,
	} {
		if _, err := pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	found := look(false)
	names := make([]string, len(found))
	for i := range found {
		names[i] = found[i].OrderID
	}
	slices.Sort(names)
	if want := []string{"settlement-booked-three", "settlement-s1", "settlement-s7"}; !slices.Equal(names, want) {
		t.Fatalf("%v differ, want %v", names, want)
	}
	look(true)
	same(t, "healed", before, dump(t, pool))
}

// statementBalances are those of accounts by what names no order.
func statementBalances(tb testing.TB, pool *pgxpool.Pool) map[string]string {
	tb.Helper()
	rows, err := pool.Query(tb.Context(), `SELECT account || ' ' || currency, sum(debit - credit)::text FROM ledger.journal_lines JOIN ledger.settlement_bookings USING (entry_id, position)
		GROUP BY 1 HAVING sum(debit - credit) <> 0`)
	if err != nil {
		tb.Fatal(err)
	}
	balances := map[string]string{}
	var account, balance string
	if _, err := pgx.ForEachRow(rows, []any{&account, &balance}, func() error { balances[account] = balance; return nil }); err != nil {
		tb.Fatal(err)
	}
	return balances
}

func lineCounts(tb testing.TB, pool *pgxpool.Pool) map[string]int {
	tb.Helper()
	rows, err := pool.Query(tb.Context(), `SELECT trim(status || ' ' || coalesce(reason, '')), count(*) FROM ledger.settlement_lines GROUP BY 1`)
	if err != nil {
		tb.Fatal(err)
	}
	counts := map[string]int{}
	var name string
	var n int
	for rows.Next() {
		if err := rows.Scan(&name, &n); err != nil {
			tb.Fatal(err)
		}
		counts[name] = n
	}
	if err := rows.Err(); err != nil {
		tb.Fatal(err)
	}
	return counts
}
