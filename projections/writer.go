package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/history"
)

var (
	// ErrCheckpointMismatch is what Run returns when the checkpoint or the rows are not where the
	// only writer left them. Somebody else writes to the tables, or there is a bug: going on would
	// make the books wrong.
	ErrCheckpointMismatch = errors.New("projections: the read models are not where they were left")

	// errOvertaken says that another runner took over.
	errOvertaken = errors.New("another runner took over")

	// errAtEnd says that everything is written up to where a bounded run is to end.
	errAtEnd = errors.New("at the end")
)

// writer writes batches, one transaction each. One goroutine owns it.
type writer struct {
	cfg    *Config
	conn   *pgx.Conn
	status *statusBoard
	at     checkpoint.Checkpoint
	// end is where to stop; nil is never.
	end *eventstore.Position
	// spare takes the memory of audit trails that were written.
	spare chan<- *history.Rows
}

// run asks for batches with tokens and writes them, until ctx ends or one fails. A transaction
// under way is not torn when ctx ends.
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
			if w.end != nil && w.at.Reached(*w.end) {
				return errAtEnd
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ping makes sure that an idle leader still has its connection and is still the leader.
func (w *writer) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, w.cfg.WriteTimeout, errors.New("the database does not answer"))
	defer cancel()
	found, err := checkpoint.Read(ctx, w.conn)
	if err != nil {
		return fmt.Errorf("keep the connection alive: %w", err)
	}
	if found.Epoch != w.at.Epoch {
		return fmt.Errorf("%w: epoch %d is not %d", errOvertaken, found.Epoch, w.at.Epoch)
	}
	return nil
}

// write commits one batch: the checkpoint and all rows in one transaction.
func (w *writer) write(ctx context.Context, b *batch) error {
	ctx, cancel := context.WithTimeoutCause(ctx, w.cfg.WriteTimeout, errors.New("the database is too slow"))
	defer cancel()
	began := w.cfg.Clock()
	w.cfg.Passed(PointFolded)
	written, err := w.transact(ctx, b)
	if err == nil {
		w.cfg.Passed(PointCommitted)
	}
	guarded := int64(b.rows.live.Len() + b.rows.test.Len() + b.rows.payouts.Len())
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
	select {
	case w.spare <- b.history:
	default:
	}
	w.cfg.OnBatch(Batch{
		Position: b.to, Events: b.events, Orders: len(b.touched), Parked: b.newlyParked,
		Took: w.cfg.Clock().Sub(began),
	})
	return nil
}

// transact takes one round trip without history and up to four with it, and tells how many rows of
// orders were written. After an error nothing of the transaction is left but its possible commit.
func (w *writer) transact(ctx context.Context, b *batch) (written int64, err error) {
	var statements pgx.Batch
	open := b.history.Len() > 0 || b.journal.Len() > 0
	if open {
		statements.Queue("BEGIN")
	}
	// The checkpoint comes first: its row lock serialises all writers. Without BEGIN the statements
	// up to the end of the pipeline are one transaction, which commits with it.
	checkpoint.QueueMove(&statements, w.at, b.to, b.seen)
	guarded := statements.Len()
	b.queue(&statements)
	if written, err = send(ctx, w.conn, &statements, guarded, guarded+b.rows.guardedStatements()); err == nil && open {
		if err = b.history.Copy(ctx, w.conn.PgConn(), nil); err == nil {
			err = b.journal.Copy(ctx, w.conn.PgConn(), nil)
		}
		if err == nil {
			w.cfg.Passed(PointWritten)
			_, err = w.conn.Exec(ctx, "COMMIT")
		}
	}
	if err != nil && open && !w.conn.IsClosed() {
		if _, rollbackErr := w.conn.Exec(ctx, "ROLLBACK"); rollbackErr != nil {
			err = errors.Join(err, rollbackErr)
		}
	}
	return written, err
}

// send runs statements in one round trip and counts the rows that those from first to before last
// wrote.
func send(ctx context.Context, conn *pgx.Conn, statements *pgx.Batch, first, last int) (written int64, err error) {
	results := conn.SendBatch(ctx, statements)
	for i := range statements.Len() {
		tag, err := results.Exec()
		if err != nil {
			_ = results.Close() // it says the same again
			return 0, err
		}
		if i >= first && i < last {
			written += tag.RowsAffected()
		}
	}
	return written, results.Close()
}
