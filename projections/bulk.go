package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/history"
	"github.com/order-ledger/order-ledger/projections/internal/pgcopy"
	"github.com/order-ledger/order-ledger/projections/journal"
	"github.com/order-ledger/order-ledger/projections/parked"
)

// Bulk folds whole streams, from their first events on, and writes the rows of all models at once into
// tables that have none of them: what a rebuild does instead of following the log.
//
// Its rows are those that a Runner would have written at the same place in the log, with one exception
// until MarkParked is called. A Bulk is not safe for concurrent use; several may write beside each other
// when no stream is in two of them.
type Bulk struct {
	log     eventstore.Reader
	verdict *verdict
	folder  *folder
	// item is the newest event, while it is added.
	item item

	states map[string]*orderState
	// last is the state of the newest event's order: events of one append follow each other.
	last   *orderState
	parked map[string]*parked.Order
	batch  *batch
}

// NewBulk makes an empty Bulk. The log is asked when an order has to be folded a second time.
func NewBulk(log eventstore.Reader) *Bulk {
	b := &Bulk{log: log, verdict: newVerdict()}
	b.folder = &folder{verdict: b.verdict, log: slog.New(slog.DiscardHandler)}
	b.Reset()
	return b
}

// Reset forgets all rows, and keeps what was found out about events that the database refuses.
func (b *Bulk) Reset() {
	next := newBatch(new(history.Rows))
	if b.batch != nil { // their memory is used again
		next.history, next.journal = b.batch.history, b.batch.journal
		next.history.Reset()
		next.journal.Reset()
	}
	b.states, b.last, b.parked, b.batch = make(map[string]*orderState, len(b.states)), nil, make(map[string]*parked.Order), next
	b.folder.pending = b.batch
}

// Events counts what was added since Reset.
func (b *Bulk) Events() int { return b.batch.events }

// Bytes estimates what was added since Reset.
func (b *Bulk) Bytes() int64 { return b.batch.bytes }

// Add folds the next event, of any stream. Events of one stream come in the order of their revisions,
// from 0 without gaps; those of other streams in the order of the log. An event belongs to the Bulk from then on, except for
// that of an order, which it does not need any more.
func (b *Bulk) Add(ctx context.Context, ev *eventstore.RecordedEvent) error {
	it, f := &b.item, b.folder
	it.decode(ev)
	b.batch.events++
	b.batch.bytes += it.weight
	if f.calendar == nil { // all that the log has
		calendar, err := journal.Calendar(ctx, b.log)
		if err != nil {
			return err
		}
		f.calendar = calendar
	}
	if it.category == "" {
		f.besides(it)
		return nil
	}
	f.remember(it)
	stream := ev.Stream
	if p, ok := b.parked[stream]; ok {
		p.HeldBack++
		return nil
	}
	o := b.state(stream)
	if ev.Revision != o.next() {
		return fmt.Errorf("%w: %s is at revision %d, shown %d", errGap, stream, int64(o.next())-1, ev.Revision)
	}
	if reason := b.verdict.condemns(stream, ev.Revision); reason != "" {
		b.park(o, &foldError{event: ev, err: errors.New(reason)})
		return nil
	}
	err := o.apply(it)
	if err == nil {
		f.post(o, it)
		return nil
	}
	var refused *foldError
	if !errors.As(err, &refused) {
		return err
	}
	if it.err == nil { // the state is spoilt: go back to the one before
		if o, err = load(ctx, b.log, stream, ev.Revision); err != nil {
			return err
		}
		b.states[stream], b.last = o, o
	}
	b.park(o, refused)
	return nil
}

// state is that of an order, which is an empty one before its first event.
func (b *Bulk) state(stream string) *orderState {
	if b.last != nil && b.last.stream == stream {
		return b.last
	}
	o := b.states[stream]
	if o == nil {
		o = newOrderState(stream)
		b.states[stream] = o
	}
	b.last = o
	return o
}

func (b *Bulk) park(o *orderState, refused *foldError) {
	ev := refused.event
	b.parked[o.stream] = &parked.Order{
		Stream: o.stream, OrderID: o.id, Revision: ev.Revision, Position: ev.Position.Commit, EventID: ev.ID,
		EventType: ev.Type, Reason: refused.err.Error(), Since: ev.Created,
	}
}

// Copy writes all rows within the connection's transaction, in pieces with a rest between them unless rest is nil. The rows of a *RefusedError are to be added
// again after Judge has found out whose fault it is.
func (b *Bulk) Copy(ctx context.Context, conn *pgx.Conn, rest pgcopy.Rest) error {
	return b.write(ctx, conn, b.batch.history.Copy, b.batch.journal.Copy, rest)
}

// Fill is Copy of rows of orders of one part, into tables of which the transaction emptied that part.
func (b *Bulk) Fill(ctx context.Context, conn *pgx.Conn, part int, rest pgcopy.Rest) error {
	return b.write(ctx, conn, func(ctx context.Context, conn *pgconn.PgConn, rest pgcopy.Rest) error {
		return b.batch.history.Fill(ctx, conn, part, rest)
	}, func(ctx context.Context, conn *pgconn.PgConn, rest pgcopy.Rest) error {
		return b.batch.journal.Fill(ctx, conn, part, rest)
	}, rest)
}

// copyRows copies what was collected for a table.
type copyRows func(context.Context, *pgconn.PgConn, pgcopy.Rest) error

func (b *Bulk) write(ctx context.Context, conn *pgx.Conn, history, journal copyRows, rest pgcopy.Rest) error {
	var parks parked.Rows
	var r rows
	for _, stream := range slices.Sorted(maps.Keys(b.states)) {
		if err := r.add(b.states[stream]); err != nil {
			return &RefusedError{cause: fmt.Errorf("rows of %s: %w", stream, err)}
		}
	}
	for _, stream := range slices.Sorted(maps.Keys(b.parked)) {
		parks.Add(b.parked[stream])
	}
	var err error
	for _, write := range []copyRows{history, journal, r.live.Copy, r.test.CopyTest, r.payouts.Copy, r.payments.Copy, r.refunds.Copy, r.disputes.Copy} {
		if err = write(ctx, conn.PgConn(), rest); err != nil {
			break
		}
	}
	if err == nil {
		var statements pgx.Batch
		parks.Queue(&statements)
		b.batch.periods.Queue(&statements)
		b.batch.settlements.Queue(&statements)
		b.batch.quarantine.Queue(&statements)
		err = conn.SendBatch(ctx, &statements).Close()
	}
	if err != nil && refusesData(err) {
		return &RefusedError{cause: err}
	}
	return err
}

// RefusedError says that rows of a Bulk were refused for what they hold.
type RefusedError struct{ cause error }

func (e *RefusedError) Error() string { return fmt.Sprintf("rows were refused: %v", e.cause) }

func (e *RefusedError) Unwrap() error { return e.cause }

// Judge finds out for which orders Copy was refused, by trying parts of them on conn: a connection to
// tables of the same form, with their keys, that hold none of these rows. It reports whether it found
// anything; if so, the same events are to be added again after Reset, and those orders park.
func (b *Bulk) Judge(ctx context.Context, conn *pgx.Conn) (bool, error) {
	i := isolator{log: b.log, conn: conn, into: b.verdict}
	b.batch.parked = b.parked
	for stream, o := range b.states {
		within := span{last: o.next() - 1}
		if p := b.parked[stream]; p != nil {
			within.last = p.Revision + uint64(p.HeldBack)
		}
		b.batch.span[stream] = within
	}
	return i.isolate(ctx, b.batch)
}

// MarkParked makes the rows of all orders that are parked in the tables of tx show it. The tables have
// their keys by then. Doing it twice is doing it once.
func MarkParked(ctx context.Context, tx pgx.Tx) error {
	held, err := parked.List(ctx, tx)
	if err != nil {
		return err
	}
	marks := make(map[order.Category]*parked.Marks)
	for i := range held {
		category, _, _ := order.ParseStreamName(held[i].Stream)
		if marks[category] == nil {
			marks[category] = new(parked.Marks)
		}
		marks[category].Add(&held[i])
	}
	var statements pgx.Batch
	for category, m := range marks {
		m.Queue(&statements, category)
	}
	if err := tx.SendBatch(ctx, &statements).Close(); err != nil {
		return fmt.Errorf("mark parked orders: %w", err)
	}
	return nil
}
