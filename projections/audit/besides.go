package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/journal"
	"github.com/order-ledger/order-ledger/projections/quarantine"
	"github.com/order-ledger/order-ledger/projections/schema"
	"github.com/order-ledger/order-ledger/projections/settlements"
)

// tableBesides is a table of what belongs to no order. Its rows have the position of their event.
type tableBesides struct {
	name string
	// of is the SQL of the stream that a row tells of.
	of string
	// key are the columns of the key; the first row with a key counts.
	key []string
}

// besides are all tables that no order's audit looks into.
func besides() []tableBesides {
	return []tableBesides{
		{"quarantine", "'" + quarantinePrefix + "' || source", []string{"event_id"}},
		{"period_changes", "'" + accounting.PeriodStreamPrefix + "' || entity", []string{"position"}},
		{"statements", "'" + settlement.StreamPrefix + "' || statement_id", []string{"statement_id"}},
		{"statement_lines", "'" + settlement.StreamPrefix + "' || statement_id", []string{"statement_id", "line"}},
		{"statement_results", "'" + settlement.StreamPrefix + "' || statement_id", []string{"position"}},
		{"statement_bookings", "stream", []string{"position"}},
		{"statement_passes", "'" + settlement.StreamPrefix + "' || statement_id", []string{"position"}},
	}
}

const quarantinePrefix = string(order.CategoryQuarantine) + "-"

// isBesides tells the names of streams from ids of orders.
func isBesides(name string) bool {
	for _, prefix := range []string{quarantinePrefix, accounting.PeriodStreamPrefix, settlement.StreamPrefix} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// Window is a part of the log that was compared with the rows of what belongs to no order.
type Window struct {
	// After and To bound it; After is exclusive, nil is the beginning. Complete: it ends where the views stand.
	After    *eventstore.Position
	To       eventstore.Position
	Complete bool
	// Findings are about streams of quarantine, periods and statements, whose names stand in the place of order ids.
	Findings []Finding
	// Missing are orders that begin in the window and have no row, and streams of bookings that have none in the journal.
	Missing []string
}

// Besides compares the next events of the log, at most that many, with the rows of everything that belongs to no order, in
// both directions, and looks for orders that have no row. With heal, rows that differ are replaced in one transaction.
func Besides(ctx context.Context, db Beginner, log eventstore.Reader, after *eventstore.Position, events uint64, heal bool) (Window, error) {
	w := Window{After: after, Findings: []Finding{}}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead}
	if heal {
		options.IsoLevel = pgx.ReadCommitted // it waits for whoever writes, and then sees it
	}
	err := pgx.BeginTxFunc(ctx, db, options, func(tx pgx.Tx) error {
		read := func() (checkpoint.Checkpoint, error) { return checkpoint.Read(ctx, tx) }
		if heal {
			read = func() (checkpoint.Checkpoint, error) { return checkpoint.Lock(ctx, tx) }
		}
		at, err := read()
		if err != nil {
			return err
		}
		s := sweep{log: log, tx: tx, at: at, window: &w, calendar: new(accounting.Calendar)}
		return s.run(ctx, events, heal)
	})
	if err != nil {
		return Window{}, fmt.Errorf("audit quarantine, periods and statements: %w", err)
	}
	return w, nil
}

// sweep audits one window.
type sweep struct {
	log      eventstore.Reader
	tx       pgx.Tx
	at       checkpoint.Checkpoint
	window   *Window
	calendar *accounting.Calendar

	events []eventstore.RecordedEvent // of streams of no order
	begun  []string                   // orders
}

func (s *sweep) run(ctx context.Context, events uint64, heal bool) error {
	if err := s.read(ctx, events); err != nil {
		return err
	}
	if len(s.begun) > 0 {
		rows, err := s.tx.Query(ctx, unknownSQL, s.begun)
		if err != nil {
			return err
		}
		if s.window.Missing, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
	}
	if some, err := s.somethingThere(ctx); err != nil || !some {
		return err
	}
	if err := s.write(ctx); err != nil {
		return err
	}
	findings, err := s.compare(ctx)
	if err != nil || len(findings) == 0 || !heal {
		s.window.Findings = append(s.window.Findings, findings...)
		return err
	}
	if err := s.replace(ctx); err != nil {
		return err
	}
	again, err := s.compare(ctx)
	if err != nil {
		return err
	}
	if len(again) > 0 {
		return fmt.Errorf("%s still differs after it was healed: %v", again[0].OrderID, again[0].Drift)
	}
	for i := range findings {
		findings[i].Healed = true
	}
	s.window.Findings = append(s.window.Findings, findings...)
	return nil
}

// read collects the window's events up to where the views stand.
func (s *sweep) read(ctx context.Context, events uint64) error {
	if !s.at.Known {
		s.window.Complete = true
		return nil
	}
	read := eventstore.AllRead{From: s.window.After, Count: events + 1} // From is inclusive
	n := uint64(0)
	for ev, err := range s.log.ReadAll(ctx, read) {
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		n++
		if !s.at.Reached(ev.Position) {
			s.window.Complete = true
			return nil
		}
		if s.window.After != nil && ev.Position.Compare(*s.window.After) <= 0 {
			continue
		}
		s.window.To = ev.Position
		_, id, ofOrder := order.ParseStreamName(ev.Stream)
		switch {
		case ofOrder:
			if ev.Revision == 0 {
				s.begun = append(s.begun, storable.Text(id))
			}
		case isBesides(ev.Stream):
			if ev.Revision == 0 && strings.HasPrefix(ev.Stream, settlement.BookingStreamPrefix) {
				s.begun = append(s.begun, storable.Text(ev.Stream))
			}
			s.events = append(s.events, ev)
		}
	}
	s.window.Complete = n < read.Count
	return nil
}

// bounds are the positions of rows of the window: the first exclusive, the second inclusive. Rows beyond where the views
// stand belong to the last window.
func (s *sweep) bounds() (after, to int64) {
	after, to = -1, math.MaxInt64
	if s.window.After != nil {
		after = int64(s.window.After.Commit)
	}
	if !s.window.Complete {
		to = int64(s.window.To.Commit)
	}
	return after, to
}

// somethingThere spares a quiet window its tables.
func (s *sweep) somethingThere(ctx context.Context) (bool, error) {
	if len(s.events) > 0 {
		return true, nil
	}
	after, to := s.bounds()
	var exists []string
	for _, t := range besides() {
		exists = append(exists, fmt.Sprintf("EXISTS (SELECT FROM %s.%s WHERE position > $1 AND position <= $2)", schema.Live, t.name))
	}
	var some bool
	err := s.tx.QueryRow(ctx, "SELECT "+strings.Join(exists, " OR "), after, to).Scan(&some)
	return some, err
}

// writtenAtOnce is how many events are written at once.
const writtenAtOnce = 100

// write makes the rows of the window's events in temporary tables, which have the names of the live ones.
func (s *sweep) write(ctx context.Context) error {
	for _, t := range besides() { // they are found before the live ones
		if _, err := s.tx.Exec(ctx, fmt.Sprintf("CREATE TEMPORARY TABLE %s (LIKE %s.%[1]s INCLUDING ALL) ON COMMIT DROP", t.name, schema.Live)); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(s.events, writtenAtOnce) {
		refusal, err := s.try(ctx, some)
		if err != nil {
			return err
		}
		if refusal == nil {
			continue
		}
		for i := range some { // which of them is it
			if refusal, err = s.try(ctx, some[i:i+1]); err != nil {
				return err
			}
			if refusal == nil {
				continue
			}
			var one quarantine.Rows
			if strings.HasPrefix(some[i].Stream, quarantinePrefix) {
				one.AddUnreadable(&some[i], strings.TrimPrefix(some[i].Stream, quarantinePrefix), quarantine.Refused)
			}
			var b pgx.Batch
			one.Queue(&b)
			if err := s.tx.SendBatch(ctx, &b).Close(); err != nil {
				return err
			}
		}
	}
	after, _ := s.bounds()
	for _, t := range besides() { // the first row with a key counts
		if _, err := s.tx.Exec(ctx, fmt.Sprintf("DELETE FROM pg_temp.%[2]s t USING %[1]s.%[2]s l WHERE %[3]s AND l.position <= $1",
			schema.Live, t.name, t.sameKey()), after); err != nil {
			return err
		}
	}
	return nil
}

func (t *tableBesides) sameKey() string {
	var same []string
	for _, k := range t.key {
		same = append(same, "l."+k+" = t."+k)
	}
	return strings.Join(same, " AND ")
}

// try writes the rows of some events. refusal is what PostgreSQL says about their data.
func (s *sweep) try(ctx context.Context, events []eventstore.RecordedEvent) (refusal, err error) {
	var q quarantine.Rows
	var periods journal.Periods
	var statements settlements.Rows
	for i := range events {
		ev := &events[i]
		switch {
		case strings.HasPrefix(ev.Stream, quarantinePrefix):
			addQuarantined(&q, ev)
		case strings.HasPrefix(ev.Stream, accounting.PeriodStreamPrefix):
			if change, err := journal.Take(s.calendar, ev); err == nil && change != nil {
				periods.Add(*change)
			}
		default:
			_ = statements.Add(ev) // what nobody can read has no rows
		}
	}
	err = pgx.BeginFunc(ctx, s.tx, func(savepoint pgx.Tx) error {
		var b pgx.Batch
		q.Queue(&b)
		periods.Queue(&b)
		statements.Queue(&b)
		return savepoint.SendBatch(ctx, &b).Close()
	})
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "23")) {
		return err, nil
	}
	return nil, err
}

func addQuarantined(q *quarantine.Rows, ev *eventstore.RecordedEvent) {
	gateway := strings.TrimPrefix(ev.Stream, quarantinePrefix)
	event, metadata, err := order.Decode(ev.Type, ev.Data, ev.Metadata)
	if err != nil {
		_ = json.Unmarshal(ev.Metadata, &metadata)
		q.AddUnreadable(ev, gateway, err.Error())
		return
	}
	n, ok := event.(order.NotificationQuarantined)
	if !ok {
		q.AddUnreadable(ev, gateway, "unexpected event "+ev.Type)
		return
	}
	q.Add(ev, &n, &metadata)
}

// compare finds rows that the window's events have not made, or that are not there. Values are compared as they are
// shown: 12.5 is not 12.50.
func (s *sweep) compare(ctx context.Context) ([]Finding, error) {
	byStream := map[string]*Finding{}
	var streams []string
	after, to := s.bounds()
	for _, t := range besides() {
		made := fmt.Sprintf("SELECT %s AS stream, t::text AS line FROM pg_temp.%s t", t.of, t.name)
		there := fmt.Sprintf("SELECT %s, t::text FROM %s.%s t WHERE position > $1 AND position <= $2", t.of, schema.Live, t.name)
		rows, err := s.tx.Query(ctx, fmt.Sprintf(`SELECT stream, true, line FROM (%[1]s EXCEPT %[2]s) AS missing
			UNION ALL SELECT stream, false, line FROM (SELECT * FROM (%[2]s) AS l (stream, line) EXCEPT %[1]s) AS surplus ORDER BY 1, 3, 2`, made, there), after, to)
		if err != nil {
			return nil, err
		}
		var stream, line string
		var inLog bool
		if _, err := pgx.ForEachRow(rows, []any{&stream, &inLog, &line}, func() error {
			f := byStream[stream]
			if f == nil {
				f = &Finding{OrderID: stream, Position: s.at.String()}
				byStream[stream] = f
				streams = append(streams, stream)
			}
			if inLog {
				f.differ(t.name, line, "")
			} else {
				f.differ(t.name, "", line)
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	findings := make([]Finding, len(streams))
	for i, stream := range streams {
		findings[i] = *byStream[stream]
	}
	return findings, nil
}

// replace makes the live rows those that the window's events make.
func (s *sweep) replace(ctx context.Context) error {
	after, to := s.bounds()
	for _, t := range besides() {
		for _, statement := range []struct {
			sql  string
			args []any
		}{
			{`DELETE FROM %[1]s.%[2]s l WHERE position > $1 AND position <= $2
				AND NOT EXISTS (SELECT FROM pg_temp.%[2]s t WHERE %[3]s AND t::text = l::text)`, []any{after, to}},
			{`DELETE FROM %[1]s.%[2]s l USING pg_temp.%[2]s t WHERE %[3]s AND t::text <> l::text`, nil},
			{`INSERT INTO %[1]s.%[2]s SELECT * FROM pg_temp.%[2]s t WHERE NOT EXISTS (SELECT FROM %[1]s.%[2]s l WHERE %[3]s)`, nil},
		} {
			if _, err := s.tx.Exec(ctx, fmt.Sprintf(statement.sql, schema.Live, t.name, t.sameKey()), statement.args...); err != nil {
				return err
			}
		}
	}
	return nil
}
