package audit

import (
	"context"
	"errors"
	"fmt"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/journal"
	"github.com/order-ledger/order-ledger/projections/refold"
	"github.com/order-ledger/order-ledger/projections/settlements"
)

// booking audits what a line of a statement posts that belongs to no order: in the journal the name of its stream stands
// in the place of an order.
func booking(ctx context.Context, db Beginner, log eventstore.Reader, stream string) (Finding, error) {
	at, stored, err := readJournal(ctx, db, stream)
	if err != nil {
		return Finding{}, fmt.Errorf("audit %s: %w", stream, err)
	}
	f := Finding{OrderID: stream, Position: at.String(), Drift: []Difference{}}
	calendar, err := journal.Calendar(ctx, log)
	if err != nil {
		return Finding{}, fmt.Errorf("audit %s: %w", stream, err)
	}
	var posted []journal.Line
	known := false
	for ev, err := range log.ReadStream(ctx, stream, eventstore.StreamRead{}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) || errors.Is(err, eventstore.ErrStreamDeleted) {
			break
		}
		if err != nil {
			return Finding{}, fmt.Errorf("audit %s: %w", stream, err)
		}
		if !at.Reached(ev.Position) {
			break
		}
		known = true
		booked, metadata, err := settlements.ReadBooking(&ev)
		if err != nil {
			continue // what nobody can read has no rows
		}
		lines, err := journal.StatementLines(&ev, metadata, booked, calendar)
		if err == nil {
			posted = append(posted, lines...)
		}
	}
	if !known && len(stored) == 0 {
		return Finding{}, fmt.Errorf("audit %s: %w", stream, refold.ErrNotFound)
	}
	f.compareJournal(posted, stored)
	return f, nil
}

// readJournal reads nothing else: a statement may have very many lines.
func readJournal(ctx context.Context, db Beginner, stream string) (at checkpoint.Checkpoint, lines []journal.Line, err error) {
	tx, err := db.BeginTx(ctx, oneMoment)
	if err != nil {
		return at, nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // it only read
	if at, err = checkpoint.Read(ctx, tx); err != nil {
		return at, nil, err
	}
	lines, err = journal.Stored(ctx, tx, stream)
	return at, lines, err
}
