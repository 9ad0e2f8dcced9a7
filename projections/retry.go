package projections

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/parked"
)

// ErrNotParked says that no order with this id is parked.
var ErrNotParked = errors.New("projections: the order is not parked")

// StillParkedError says that a parked order cannot be projected now either. Its row shows all
// events before Parked.Revision.
type StillParkedError struct{ Parked parked.Order }

func (e *StillParkedError) Error() string {
	return fmt.Sprintf("order %s is still parked at revision %d (%s): %s", e.Parked.OrderID, e.Parked.Revision,
		e.Parked.EventType, e.Parked.Reason)
}

// Beginner opens transactions: a pool or a connection.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Retry folds a parked order again from the log, up to where the read models stand, and ends its
// parking, all in one transaction. It works from any process, whether a runner is leading or not:
// the epoch is raised, so that a leader notices and reads anew which orders are parked.
//
// The errors are ErrNotParked, *StillParkedError, and those of the log and the database.
func Retry(ctx context.Context, db Beginner, log eventstore.Reader, orderID string) error {
	var still *StillParkedError
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		at, err := checkpoint.Lock(ctx, tx)
		if err != nil {
			return err
		}
		all, err := parked.List(ctx, tx)
		if err != nil {
			return err
		}
		found := false
		for i := range all {
			if all[i].OrderID != orderID {
				continue
			}
			found = true
			if still, err = retryStream(ctx, tx, log, at, all[i]); err != nil {
				return err
			}
		}
		if !found {
			return ErrNotParked
		}
		_, err = checkpoint.TakeOver(ctx, tx)
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("retry order %q: %w", orderID, err)
	case still != nil:
		return fmt.Errorf("retry order %q: %w", orderID, still)
	}
	return nil
}

// retryStream writes what can be folded of one parked stream. When that is not everything, the
// order stays parked at the event that stands in the way now.
func retryStream(
	ctx context.Context, tx pgx.Tx, log eventstore.Reader, at checkpoint.Checkpoint, before parked.Order,
) (*StillParkedError, error) {
	o, err := loadUpTo(ctx, log, before.Stream, at.Position)
	var refused *foldError
	if err != nil && !errors.As(err, &refused) {
		return nil, err
	}
	var again *parked.Order
	if refused != nil {
		ev := refused.event
		last := before.Revision + uint64(before.HeldBack)
		again = &parked.Order{
			Stream: before.Stream, OrderID: before.OrderID, Revision: ev.Revision, Position: ev.Position.Commit,
			EventID: ev.ID, EventType: ev.Type, Reason: refused.err.Error(), Since: ev.Created,
			HeldBack: int64(last) - int64(ev.Revision),
		}
	}
	refusal, err := rewrite(ctx, tx, o, again)
	if err != nil {
		return nil, err
	}
	if refusal == nil {
		if err := rewriteJournal(ctx, tx, log, at, before.Stream, again); err != nil {
			return nil, err
		}
	}
	if refusal != nil { // nothing was rewritten: the reason is all that is new
		before.Reason = refusal.Error()
		again = &before
		var statements pgx.Batch
		parked.QueueReason(&statements, before.Stream, before.Reason)
		if err := tx.SendBatch(ctx, &statements).Close(); err != nil {
			return nil, err
		}
	}
	if again == nil {
		return nil, nil //nolint:nilnil // no error and nothing in the way
	}
	return &StillParkedError{Parked: *again}, nil
}

// rewrite replaces the rows of an order within a transaction. refusal is PostgreSQL's word about
// them; the transaction is then as it was before.
func rewrite(ctx context.Context, tx pgx.Tx, o *orderState, again *parked.Order) (refusal, err error) {
	var r rows
	if refusal := r.add(o); refusal != nil {
		return refusal, nil
	}
	var statements pgx.Batch
	if o.category == order.CategoryOrder {
		parked.QueueClear(&statements, o.id)
	}
	r.queue(&statements)
	if again == nil {
		parked.QueueDelete(&statements, o.stream)
	} else {
		var row parked.Rows
		row.Add(again)
		row.Queue(&statements)
		var mark parked.Marks
		mark.Add(again)
		mark.Queue(&statements, o.category)
	}
	err = pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
		return savepoint.SendBatch(ctx, &statements).Close()
	})
	if refusesData(err) {
		return err, nil
	}
	return nil, err
}
