package projections

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/history"
	"github.com/order-ledger/order-ledger/projections/journal"
	"github.com/order-ledger/order-ledger/projections/parked"
	"github.com/order-ledger/order-ledger/projections/settlements"
)

// Heal writes everything that the views hold about one order again from the log, as of where they
// stand, in one transaction. It works from any process, whether a runner is leading or not. A parked
// order stays parked, at the event that the log gives reason to; an order that the log does not know
// loses its rows.
func Heal(ctx context.Context, db Beginner, log eventstore.Reader, orderID string) error {
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		at, err := checkpoint.Lock(ctx, tx) // no leader writes until this is committed
		if err != nil {
			return err
		}
		held, err := parked.OfOrder(ctx, tx, orderID)
		if err != nil {
			return err
		}
		if err := clearOrder(ctx, tx, orderID, held, at); err != nil {
			return err
		}
		if strings.HasPrefix(orderID, settlement.BookingStreamPrefix) {
			return healBooking(ctx, tx, log, at, orderID)
		}
		changed := false
		for _, c := range []order.Category{order.CategoryOrder, order.CategoryTestOrder, order.CategoryPayout} {
			parkedAnew, err := healStream(ctx, tx, log, at, order.StreamName(c, orderID), held)
			if err != nil {
				return err
			}
			changed = changed || parkedAnew
		}
		if !changed && len(held) == 0 {
			return nil
		}
		_, err = checkpoint.TakeOver(ctx, tx) // a leader reads anew which orders are parked
		return err
	})
	if err != nil {
		return fmt.Errorf("heal order %q: %w", orderID, err)
	}
	return nil
}

// healBooking writes what a line of a statement posts that belongs to no order into a transaction that has none of it.
func healBooking(ctx context.Context, tx pgx.Tx, log eventstore.Reader, at checkpoint.Checkpoint, stream string) error {
	calendar, err := journal.Calendar(ctx, log)
	if err != nil {
		return err
	}
	var lines journal.Rows
	var ids [][16]byte
	var positions []int64
	for ev, err := range log.ReadStream(ctx, stream, eventstore.StreamRead{}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) || errors.Is(err, eventstore.ErrStreamDeleted) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", stream, err)
		}
		if ev.Position.Compare(at.Position) > 0 {
			break
		}
		ids = append(ids, ev.ID)
		positions = append(positions, int64(ev.Position.Commit))
		booked, metadata, err := settlements.ReadBooking(&ev)
		if err != nil {
			continue // what nobody can read has no rows
		}
		if err := lines.AddStatement(&ev, metadata, booked, calendar); err != nil {
			continue
		}
	}
	if err := journal.DeleteEvents(ctx, tx, stream, ids, positions); err != nil {
		return err
	}
	return lines.Copy(ctx, tx.Conn().PgConn(), nil)
}

func clearOrder(ctx context.Context, tx pgx.Tx, orderID string, held []parked.Order, at checkpoint.Checkpoint) error {
	var statements pgx.Batch
	parked.QueueClear(&statements, orderID)
	parked.QueueClearOrder(&statements, orderID)
	for i := range held {
		parked.QueueDelete(&statements, held[i].Stream)
	}
	history.QueueDelete(&statements, orderID, at.Position.Commit)
	journal.QueueDelete(&statements, orderID, at.Position.Commit)
	return tx.SendBatch(ctx, &statements).Close()
}

// healStream writes the rows of one stream into a transaction that has none of them, and reports
// whether it parked the order.
func healStream(
	ctx context.Context, tx pgx.Tx, log eventstore.Reader, at checkpoint.Checkpoint, stream string, held []parked.Order,
) (bool, error) {
	trail, err := readTrail(ctx, log, stream, at.Position)
	if err != nil || trail.rows.Len() == 0 {
		return false, err
	}
	if err := history.DeleteAt(ctx, tx, trail.positions); err != nil {
		return false, err
	}
	if err := trail.rows.Copy(ctx, tx.Conn().PgConn(), nil); err != nil {
		return false, err
	}
	o, park, err := foldParked(ctx, log, at, stream, held)
	if err != nil {
		return false, err
	}
	if park != nil {
		park.HeldBack = int64(trail.last) - int64(park.Revision)
	}
	refusal, err := rewrite(ctx, tx, o, park)
	if err != nil {
		return false, err
	}
	if refusal == nil {
		return park != nil, rewriteJournal(ctx, tx, log, at, stream, park)
	}
	return false, fmt.Errorf("its rows are refused: %w", refusal)
}

// foldParked folds a stream up to a checkpoint, or up to where it is parked: what PostgreSQL refused
// stays parked where it was, what the fold refuses is parked where it does.
func foldParked(
	ctx context.Context, log eventstore.Reader, at checkpoint.Checkpoint, stream string, held []parked.Order,
) (*orderState, *parked.Order, error) {
	o, err := loadUpTo(ctx, log, stream, at.Position)
	var refused *foldError
	if err != nil && !errors.As(err, &refused) {
		return nil, nil, err
	}
	for i := range held {
		if h := &held[i]; h.Stream == stream && (refused == nil || h.Revision < refused.event.Revision) {
			before, err := load(ctx, log, stream, h.Revision)
			return before, h, err
		}
	}
	if refused == nil {
		return o, nil, nil
	}
	ev := refused.event
	return o, &parked.Order{
		Stream: stream, OrderID: o.id, Revision: ev.Revision, Position: ev.Position.Commit, EventID: ev.ID,
		EventType: ev.Type, Reason: refused.err.Error(), Since: ev.Created,
	}, nil
}

// trail is the audit trail of one stream.
type trail struct {
	rows      history.Rows
	positions []int64 // of its events in the log
	last      uint64  // revision
}

// readTrail is empty when the log has no such stream.
func readTrail(ctx context.Context, log eventstore.Reader, stream string, last eventstore.Position) (*trail, error) {
	t := new(trail)
	for ev, err := range log.ReadStream(ctx, stream, eventstore.StreamRead{}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) || errors.Is(err, eventstore.ErrStreamDeleted) {
			return t, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", stream, err)
		}
		if ev.Position.Compare(last) > 0 {
			break
		}
		it := decodeEvent(&ev)
		t.rows.Add(&history.Entry{OrderID: it.orderID, Event: it.event, Metadata: it.metadata, Readable: it.err == nil})
		t.positions = append(t.positions, int64(ev.Position.Commit))
		t.last = ev.Revision
	}
	return t, nil
}

// rewriteJournal replaces the lines of one stream within a transaction: those of all events up to a
// checkpoint, or up to where the order is parked.
func rewriteJournal(
	ctx context.Context, tx pgx.Tx, log eventstore.Reader, at checkpoint.Checkpoint, stream string, park *parked.Order,
) error {
	calendar, err := journal.Calendar(ctx, log)
	if err != nil {
		return err
	}
	var lines journal.Rows
	var ids [][16]byte
	var positions []int64
	o := newOrderState(stream)
	folding := true
	for ev, err := range log.ReadStream(ctx, stream, eventstore.StreamRead{}) {
		if err != nil {
			return fmt.Errorf("read %s: %w", stream, err)
		}
		if ev.Position.Compare(at.Position) > 0 {
			break
		}
		ids = append(ids, ev.ID)
		positions = append(positions, int64(ev.Position.Commit))
		if folding = folding && (park == nil || ev.Revision < park.Revision); !folding {
			continue
		}
		it := decodeEvent(&ev)
		if err := o.apply(it); err != nil {
			return err
		}
		lines.Add(&journal.Entry{OrderID: o.id, Event: &it.recorded, Lines: o.posted, State: &o.state, Calendar: calendar})
	}
	if err := journal.DeleteEvents(ctx, tx, o.id, ids, positions); err != nil {
		return err
	}
	return lines.Copy(ctx, tx.Conn().PgConn(), nil)
}
