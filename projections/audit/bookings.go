package audit

import (
	"context"
	"errors"
	"fmt"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/journal"
	"github.com/order-ledger/order-ledger/projections/refold"
	"github.com/order-ledger/order-ledger/projections/settlements"
)

// booking audits what one line of a statement posts that belongs to no order.
func booking(ctx context.Context, db Beginner, log eventstore.Reader, stream string) (Finding, error) {
	found, err := bookings(ctx, db, log, []string{stream})
	if err != nil {
		return Finding{}, err
	}
	return found[0], nil
}

// bookings audits what lines of statements post that belong to no order, one finding for each: in the journal the names of
// their streams stand in the place of an order. A statement may have very many, so that their rows are read at once.
func bookings(ctx context.Context, db Beginner, log eventstore.Reader, streams []string) ([]Finding, error) {
	at, stored, err := readJournal(ctx, db, streams)
	if err != nil {
		return nil, fmt.Errorf("audit %s: %w", streams[0], err)
	}
	calendar, err := journal.Calendar(ctx, log)
	if err != nil {
		return nil, fmt.Errorf("audit %s: %w", streams[0], err)
	}
	found := make([]Finding, 0, len(streams))
	for _, stream := range streams {
		posted, known, err := bookedBy(ctx, log, stream, at, calendar)
		if err == nil && !known && len(stored[stream]) == 0 {
			err = refold.ErrNotFound
		}
		if err != nil {
			return nil, fmt.Errorf("audit %s: %w", stream, err)
		}
		f := Finding{OrderID: stream, Position: at.String(), Drift: []Difference{}}
		f.compareJournal(posted, stored[stream])
		found = append(found, f)
	}
	return found, nil
}

// bookedBy is what the stream of a line posts up to a place in the log, and whether there is such a stream by then.
func bookedBy(ctx context.Context, log eventstore.Reader, stream string, at checkpoint.Checkpoint, calendar *accounting.Calendar) (posted []journal.Line, known bool, err error) {
	for ev, err := range log.ReadStream(ctx, stream, eventstore.StreamRead{}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) || errors.Is(err, eventstore.ErrStreamDeleted) {
			break
		}
		if err != nil {
			return nil, false, err
		}
		if !at.Reached(ev.Position) {
			break
		}
		known = true
		booked, metadata, err := settlements.ReadBooking(&ev)
		if err != nil {
			continue // what nobody can read has no rows
		}
		if lines, err := journal.StatementLines(&ev, metadata, booked, calendar); err == nil {
			posted = append(posted, lines...)
		}
	}
	return posted, known, nil
}

// readJournal reads nothing else.
func readJournal(ctx context.Context, db Beginner, streams []string) (at checkpoint.Checkpoint, lines map[string][]journal.Line, err error) {
	tx, err := db.BeginTx(ctx, oneMoment)
	if err != nil {
		return at, nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // it only read
	if at, err = checkpoint.Read(ctx, tx); err != nil {
		return at, nil, err
	}
	lines, err = journal.StoredOf(ctx, tx, streams)
	return at, lines, err
}
