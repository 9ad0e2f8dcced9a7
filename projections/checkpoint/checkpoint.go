// Package checkpoint is the one place in the log that all read models stand at, and the rules by
// which it moves.
//
// The checkpoint is a row with a position (commit and prepare, both) and an epoch. Whoever becomes
// leader raises the epoch; the position moves by compare-and-set on position and epoch, in the
// transaction that writes the rows. So whatever a past leader still has under way can change nothing.
package checkpoint

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/order-ledger/order-ledger/eventstore"
)

var (
	//go:embed read.sql
	readSQL string
	//go:embed lock.sql
	lockSQL string
	//go:embed take.sql
	takeSQL string
	//go:embed move.sql
	moveSQL string
)

// The SQLSTATEs that ledger_data.move_checkpoint raises.
const (
	stateAlreadyThere  = "LG001"
	stateSomebodyAhead = "LG002"
	stateMismatch      = "LG003"
)

// Checkpoint is a place in the log.
type Checkpoint struct {
	// Position up to which everything is projected; meaningless unless Known.
	Position eventstore.Position
	// Known is false before anything was projected.
	Known bool
	// EventPosition and EventID are of the newest event at or before Position that was shown, the nil id when none is
	// known.
	EventPosition uint64
	EventID       uuid.UUID
	// Epoch grows with each change of leader.
	Epoch int64
	// UpdatedAt is when the row was last written, by the database's clock; the only such time there
	// is.
	UpdatedAt time.Time
}

// Seen is an event of the log and its commit position.
type Seen struct {
	Position uint64
	ID       uuid.UUID
}

// Reached tells whether everything up to p is projected.
func (c Checkpoint) Reached(p eventstore.Position) bool { return c.Known && c.Position.Compare(p) >= 0 }

// String is for logs.
func (c Checkpoint) String() string {
	if !c.Known {
		return "start"
	}
	return c.Position.String()
}

// Querier is a pool, a connection or a transaction.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Read returns where the read models stand.
func Read(ctx context.Context, db Querier) (Checkpoint, error) { return query(ctx, db, readSQL) }

// Lock is Read that keeps everybody else from moving the checkpoint until the transaction ends.
func Lock(ctx context.Context, tx pgx.Tx) (Checkpoint, error) { return query(ctx, tx, lockSQL) }

// TakeOver raises the epoch and returns where the new leader begins.
func TakeOver(ctx context.Context, db Querier) (Checkpoint, error) {
	return query(ctx, db, takeSQL)
}

func query(ctx context.Context, db Querier, sql string) (Checkpoint, error) {
	var (
		c                     Checkpoint
		commit, prepare, seen *int64
		id                    *uuid.UUID
	)
	if err := db.QueryRow(ctx, sql).Scan(&c.Epoch, &commit, &prepare, &c.UpdatedAt, &seen, &id); err != nil {
		return Checkpoint{}, fmt.Errorf("read the checkpoint: %w", err)
	}
	if seen != nil && id != nil {
		c.EventPosition, c.EventID = uint64(*seen), *id
	}
	if commit != nil && prepare != nil {
		c.Known, c.Position = true, eventstore.Position{Commit: uint64(*commit), Prepare: uint64(*prepare)}
	}
	return c, nil
}

// QueueMove adds the statement that moves the checkpoint from one place to another. seen is the newest event up to
// there, nil when there is none that is newer than the one before. When the
// checkpoint is not at from, or the epoch is not from's, the statement fails, and with it the
// transaction: see OutcomeOf. Queued first, it serialises whoever else writes.
func QueueMove(b *pgx.Batch, from Checkpoint, to eventstore.Position, seen *Seen) {
	var commit, prepare, seenAt *int64
	var id *uuid.UUID
	if seen != nil {
		p := int64(seen.Position)
		seenAt, id = &p, &seen.ID
	}
	if from.Known {
		c, p := int64(from.Position.Commit), int64(from.Position.Prepare)
		commit, prepare = &c, &p
	}
	b.Queue(moveSQL, from.Epoch, commit, prepare, int64(to.Commit), int64(to.Prepare), seenAt, id)
}

// Outcome of an attempt to move the checkpoint.
type Outcome string

// Outcomes.
const (
	// Moved: the transaction committed.
	Moved Outcome = "moved"
	// AlreadyThere: an earlier attempt of the same leader, whose answer was lost, had committed.
	// Nothing of this one did.
	AlreadyThere Outcome = "already there"
	// SomebodyAhead: another leader took over. Stop leading.
	SomebodyAhead Outcome = "somebody is ahead"
	// Mismatch: the checkpoint is where it cannot be. A bug, or somebody wrote to the table.
	Mismatch Outcome = "mismatch"
	// Unknown: the transaction failed for another reason, or its answer was lost. Read the
	// checkpoint.
	Unknown Outcome = "unknown"
)

// OutcomeOf tells from a transaction's error what became of its QueueMove.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return Moved
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return Unknown
	}
	switch pg.Code {
	case stateAlreadyThere:
		return AlreadyThere
	case stateSomebodyAhead:
		return SomebodyAhead
	case stateMismatch:
		return Mismatch
	}
	return Unknown
}
