package projections

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/quarantine"
)

// refusedError says that PostgreSQL refused what a batch holds, or that it could not be turned into
// rows: trying again as it is will not help.
type refusedError struct {
	cause error
	batch *batch
}

func (e *refusedError) Error() string { return fmt.Sprintf("a batch was refused: %v", e.cause) }

func (e *refusedError) Unwrap() error { return e.cause }

// refusesData tells whether an error of PostgreSQL is about the data in a statement: a breached
// constraint, a value that a type cannot hold, a size.
func refusesData(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || len(pg.Code) != 5 {
		return false
	}
	switch pg.Code[:2] {
	case "21", "22", "23", "54":
		return true
	}
	return false
}

// verdict is what was found out about refused batches: which orders to park at which event, and
// which quarantined notifications are to be shown as unreadable. It outlives sessions and is owned by the goroutine of
// Run between sessions, read-only by the folder within one.
type verdict struct {
	condemned  map[string]condemnation // by stream
	unreadable map[eventstore.Position]struct{}
}

type condemnation struct {
	revision uint64
	reason   string
}

func newVerdict() *verdict {
	return &verdict{
		condemned:  make(map[string]condemnation),
		unreadable: make(map[eventstore.Position]struct{}),
	}
}

func (v *verdict) condemns(stream string, revision uint64) string {
	if c, ok := v.condemned[stream]; ok && c.revision == revision {
		return c.reason
	}
	return ""
}

func (v *verdict) refusesRow(p eventstore.Position) bool {
	_, ok := v.unreadable[p]
	return ok
}

// isolator finds out which orders, or which events, a refused batch was refused for, by trying
// parts of it in transactions that are rolled back.
type isolator struct {
	log  eventstore.Reader
	conn *pgx.Conn
	into *verdict
	// found: the verdict says more than before.
	found bool
}

// isolate reports whether it found anything new.
func (i *isolator) isolate(ctx context.Context, b *batch) (bool, error) {
	if err := i.quarantine(ctx, b); err != nil {
		return false, err
	}
	var suspects []*orderState
	for _, stream := range slices.Sorted(maps.Keys(b.span)) {
		category, _, ok := order.ParseStreamName(stream)
		if !ok || category == "" {
			continue
		}
		if p := b.parked[stream]; p != nil && p.Revision < b.span[stream].first {
			continue // parked before this batch: it has no rows in it
		}
		o, err := load(ctx, i.log, stream, b.span[stream].last+1)
		var refused *foldError
		if err != nil && !errors.As(err, &refused) {
			return false, err
		}
		suspects = append(suspects, o)
	}
	if err := i.states(ctx, b, suspects); err != nil {
		return false, err
	}
	return i.found, nil
}

func (i *isolator) condemn(stream string, c condemnation) {
	i.found = i.found || i.into.condemned[stream].revision != c.revision || i.into.condemned[stream].reason == ""
	i.into.condemned[stream] = c
}

func (i *isolator) refuseRow(p eventstore.Position) {
	i.found = i.found || !i.into.refusesRow(p)
	i.into.unreadable[p] = struct{}{}
}

// states halves the suspects until each culprit is alone.
func (i *isolator) states(ctx context.Context, b *batch, suspects []*orderState) error {
	refusal, err := i.tryStates(ctx, suspects...)
	if refusal == nil || err != nil {
		return err
	}
	if len(suspects) == 1 {
		return i.firstRefused(ctx, suspects[0].stream, b.span[suspects[0].stream])
	}
	half := len(suspects) / 2
	if err := i.states(ctx, b, suspects[:half]); err != nil {
		return err
	}
	return i.states(ctx, b, suspects[half:])
}

// firstRefused finds the event of one order after which its rows are refused, so that the order is
// parked at the same event whatever the batch was.
func (i *isolator) firstRefused(ctx context.Context, stream string, within span) error {
	for revision := within.first; revision <= within.last; revision++ {
		o, err := load(ctx, i.log, stream, revision+1)
		var refused *foldError
		if errors.As(err, &refused) {
			return nil // what comes from here on is parked anyway
		}
		if err != nil {
			return err
		}
		refusal, err := i.tryStates(ctx, o)
		if err != nil {
			return err
		}
		if refusal != nil {
			i.condemn(stream, condemnation{revision: revision, reason: refusal.Error()})
			return nil //nolint:nilerr // the refusal is the finding
		}
	}
	return nil
}

// tryStates answers with why rows of these orders are refused, or nil when they are not.
func (i *isolator) tryStates(ctx context.Context, suspects ...*orderState) (refusal, err error) {
	var r rows
	for _, o := range suspects {
		if refusal := r.add(o); refusal != nil {
			return refusal, nil
		}
	}
	return i.try(ctx, r.queue)
}

// quarantine finds the quarantined notifications whose rows are refused.
func (i *isolator) quarantine(ctx context.Context, b *batch) error {
	for _, ev := range b.quarantined {
		it := decodeEvent(ev)
		n, ok := it.recorded.Event.(order.NotificationQuarantined)
		if !ok || i.into.refusesRow(ev.Position) {
			continue
		}
		var one quarantine.Rows
		one.Add(ev, &n, it.metadata)
		refusal, err := i.try(ctx, one.Queue)
		if err != nil {
			return err
		}
		if refusal != nil {
			i.refuseRow(ev.Position)
		}
	}
	return nil
}

// try writes rows and takes them back. refusal is PostgreSQL's word about their data, err anything
// else that went wrong.
func (i *isolator) try(ctx context.Context, queue func(*pgx.Batch)) (refusal, err error) {
	tx, err := i.conn.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("try a part of a refused batch: %w", err)
	}
	var statements pgx.Batch
	queue(&statements)
	refusal = tx.SendBatch(ctx, &statements).Close()
	if err := tx.Rollback(ctx); err != nil {
		return nil, fmt.Errorf("try a part of a refused batch: %w", err)
	}
	if refusal != nil && !refusesData(refusal) {
		return nil, fmt.Errorf("try a part of a refused batch: %w", refusal)
	}
	return refusal, nil
}
