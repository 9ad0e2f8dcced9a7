// Package journal is the read model behind ledger.journal_lines and what is summed up from it: the
// postings of every event of every customer order and payout, and which months are closed.
package journal

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/internal/pgcopy"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/parts"
)

var (
	//go:embed copy.sql
	copySQL string
	//go:embed delete.sql
	deleteSQL string
	//go:embed delete_events.sql
	deleteEventsSQL string
	//go:embed stored_of.sql
	storedOfSQL string
	//go:embed stored.sql
	storedSQL string
)

// Rows collects what ledger_data.journal_lines is to hold. It is written by COPY. The zero value is empty.
type Rows struct{ table pgcopy.Table }

// Len counts the rows.
func (r *Rows) Len() int { return r.table.Len() }

// Reset empties the rows and keeps their memory.
func (r *Rows) Reset() { r.table.Reset() }

// Entry is what one event of an order posts.
type Entry struct {
	OrderID string
	Event   *order.Recorded
	Lines   []accounting.Line
	// State is the order's state with the event.
	State *order.State
	// Calendar is that of the books.
	Calendar *accounting.Calendar
}

// Line is one row of the table as it is kept. Lines are compared with ==.
type Line struct {
	Revision               uint64
	Number                 int
	Position               uint64
	EventID                uuid.UUID
	PostingDate, ValueDate time.Time // UTC, midnight
	RecordedAt             time.Time // UTC, microseconds
	Account, Currency      string
	Amount                 string // signed from the debit side, major units
	Source, SourceAccount  string
	Entity                 string
}

// LinesOf are the rows of an entry. They depend on the order's events and on the entities and locks that
// stand before them in the log, and on nothing else.
func LinesOf(e *Entry) []Line {
	if len(e.Lines) == 0 {
		return nil
	}
	m := &e.Event.Metadata
	booked := e.Calendar.Book(accounting.Occurrence{
		Source: e.State.Source, Account: e.State.SourceAccount, OccurredAt: m.OccurredAt, Basis: m.OccurredAtBasis,
		FirstPosition: e.State.FirstPosition, Position: e.Event.Position,
	})
	source, account := storable.Text(e.State.Source), storable.Text(e.State.SourceAccount)
	lines := make([]Line, len(e.Lines))
	for i, l := range e.Lines {
		currency := l.Amount.Currency()
		lines[i] = Line{
			Revision: e.Event.Revision, Number: i + 1, Position: e.Event.Position, EventID: e.Event.ID,
			PostingDate: booked.PostingDate, ValueDate: booked.ValueDate, RecordedAt: storable.ShownTime(m.RecordedAt),
			Account: l.Account.Code(), Currency: currency.Code(), Amount: storable.Amount(l.Amount, currency),
			Source: source, SourceAccount: account, Entity: booked.Entity,
		}
	}
	return lines
}

const columns = 14

// Add appends the rows of an entry.
func (r *Rows) Add(e *Entry) { r.add(e.OrderID, LinesOf(e)) }

func (r *Rows) add(orderID string, lines []Line) {
	t := &r.table
	orderID = storable.Text(orderID)
	for i := range lines {
		l := &lines[i]
		if i == 0 {
			t.Row(columns)
		} else {
			t.RowOn(columns)
		}
		t.Text(orderID)
		t.Bigint(int64(l.Revision))
		t.Integer(int32(l.Number))
		t.Bigint(int64(l.Position))
		t.UUID(l.EventID)
		t.Date(l.PostingDate)
		t.Date(l.ValueDate)
		t.Time(l.RecordedAt)
		t.Text(l.Account)
		t.Text(l.Currency)
		t.Numeric(l.Amount)
		t.Text(l.Source)
		t.Text(l.SourceAccount)
		t.Text(l.Entity)
	}
}

// Copy writes all rows within the connection's transaction, in one round trip or with a rest between pieces.
func (r *Rows) Copy(ctx context.Context, conn *pgconn.PgConn, rest pgcopy.Rest) error {
	if err := r.table.Copy(ctx, conn, copySQL, rest); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// Fill writes all rows, which are of orders of one part, into that part, which the connection's transaction emptied.
func (r *Rows) Fill(ctx context.Context, conn *pgconn.PgConn, part int, rest pgcopy.Rest) error {
	if err := r.table.Copy(ctx, conn, parts.Filling(copySQL, "journal_lines", part), rest); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// QueueDelete adds the statement that forgets the lines of one order up to a commit position.
func QueueDelete(b *pgx.Batch, orderID string, upTo uint64) {
	b.Queue(deleteSQL, storable.Text(orderID), int64(upTo))
}

// DeleteEvents forgets the lines of some events of an order, and what else stands at their commit positions.
func DeleteEvents(ctx context.Context, tx pgx.Tx, orderID string, events [][16]byte, positions []int64) error {
	if _, err := tx.Exec(ctx, deleteEventsSQL, storable.Text(orderID), events, positions); err != nil {
		return fmt.Errorf("forget the journal of order %q: %w", orderID, err)
	}
	return nil
}

// Querier reads rows: a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Stored returns all lines of an order, in the order of the journal.
func Stored(ctx context.Context, db Querier, orderID string) ([]Line, error) {
	rows, err := db.Query(ctx, storedSQL, storable.Text(orderID))
	if err != nil {
		return nil, fmt.Errorf("read the journal of order %q: %w", orderID, err)
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Line, error) { return scan(row) })
	if err != nil {
		return nil, fmt.Errorf("read the journal of order %q: %w", orderID, err)
	}
	return lines, nil
}

// StoredOf returns the lines of some orders as the table holds them, by order.
func StoredOf(ctx context.Context, db Querier, orderIDs []string) (map[string][]Line, error) {
	rows, err := db.Query(ctx, storedOfSQL, orderIDs)
	if err != nil {
		return nil, fmt.Errorf("read the journal of %d orders: %w", len(orderIDs), err)
	}
	all := make(map[string][]Line, len(orderIDs))
	var id string
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		l, err := scan(row, &id)
		all[id] = append(all[id], l)
		return struct{}{}, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the journal of %d orders: %w", len(orderIDs), err)
	}
	return all, nil
}

// scan reads a row that begins with other columns.
func scan(row pgx.CollectableRow, first ...any) (Line, error) {
	var l Line
	err := row.Scan(append(first, &l.Revision, &l.Number, &l.Position, &l.EventID, &l.PostingDate, &l.ValueDate, &l.RecordedAt, &l.Account,
		&l.Currency, &l.Amount, &l.Source, &l.SourceAccount, &l.Entity)...)
	l.PostingDate, l.ValueDate, l.RecordedAt = l.PostingDate.UTC(), l.ValueDate.UTC(), l.RecordedAt.UTC()
	return l, err
}
