package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/checkpoint"
)

var (
	// ErrCheckpointMismatch is what Run returns when the checkpoint or the rows are not where the only
	// writer left them. Somebody else writes to the tables, or there is a bug: going on would make the
	// books wrong.
	ErrCheckpointMismatch = errors.New("projections: the read models are not where they were left")

	// errOvertaken says that another runner took over.
	errOvertaken = errors.New("another runner took over")
)

// writer writes batches, one transaction each. One goroutine owns it.
type writer struct {
	cfg    *Config
	conn   *pgx.Conn
	status *statusBoard
	at     checkpoint.Checkpoint
}

// run asks for batches with tokens and writes them, until ctx ends or one fails. A transaction under way
// is not torn when ctx ends.
func (w *writer) run(ctx context.Context, free chan<- struct{}, in <-chan *batch) error {
	keepAlive := time.NewTicker(w.cfg.KeepAlive)
	defer keepAlive.Stop()
	for {
		select {
		case free <- struct{}{}:
		case <-keepAlive.C:
			if err := w.ping(ctx); err != nil {
				return err
			}
			continue
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case b := <-in:
			if err := w.write(context.WithoutCancel(ctx), b); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *writer) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, w.cfg.KeepAlive, errors.New("the database does not answer"))
	defer cancel()
	if err := w.conn.Ping(ctx); err != nil {
		return fmt.Errorf("keep the connection alive: %w", err)
	}
	return nil
}

// write commits one batch: the checkpoint and all rows in one round trip, which is one transaction.
func (w *writer) write(ctx context.Context, b *batch) error {
	ctx, cancel := context.WithTimeoutCause(ctx, w.cfg.WriteTimeout, errors.New("the database is too slow"))
	defer cancel()
	began := w.cfg.Clock()

	// Without BEGIN the statements up to the end of the pipeline are one transaction, which commits
	// with it. The checkpoint comes first: its row lock serialises all writers.
	var statements pgx.Batch
	checkpoint.QueueMove(&statements, w.at, b.to)
	b.queue(&statements)
	guarded := int64(b.rows.live.Len() + b.rows.test.Len() + b.rows.payouts.Len())
	written, err := w.send(ctx, &statements, b)
	switch checkpoint.OutcomeOf(err) {
	case checkpoint.Moved:
	case checkpoint.SomebodyAhead:
		return fmt.Errorf("%w: %w", errOvertaken, err)
	case checkpoint.Mismatch:
		return fmt.Errorf("%w: %w", ErrCheckpointMismatch, err)
	case checkpoint.AlreadyThere, checkpoint.Unknown:
		if refusesData(err) {
			return &refusedError{cause: err, batch: b}
		}
		return fmt.Errorf("write up to %s: %w", b.to, err)
	}
	if written != guarded {
		return fmt.Errorf("%w: %d of %d rows are ahead of the checkpoint at %s", ErrCheckpointMismatch,
			guarded-written, guarded, b.to)
	}
	w.at.Known, w.at.Position = true, b.to
	w.status.committed(b, began)
	w.cfg.OnBatch(Batch{
		Position: b.to, Events: b.events, Orders: len(b.touched), Parked: b.newlyParked,
		Took: w.cfg.Clock().Sub(began),
	})
	return nil
}

// send runs the statements and counts the rows of orders that were written.
func (w *writer) send(ctx context.Context, statements *pgx.Batch, b *batch) (int64, error) {
	results := w.conn.SendBatch(ctx, statements)
	guarded := b.rows.guardedStatements()
	var written int64
	for i := range statements.Len() {
		tag, err := results.Exec()
		if err != nil {
			return 0, errors.Join(err, results.Close())
		}
		if i >= 1 && i <= guarded {
			written += tag.RowsAffected()
		}
	}
	return written, results.Close()
}
