package projections

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/history"
)

//go:embed lock.sql
var lockSQL string

// ErrForeignLog is what Run returns when the read models stand beyond the end of the log, or when the newest events that
// they were shown are not where they were in it: the log was replaced or restored from an older copy, or the database
// belongs to another one. The read models of one log must not go on with another.
var ErrForeignLog = errors.New("projections: the read models are of another log")

// headPatience is how long the end of a log may take to be where read models stand already: nodes of a cluster follow
// their leader.
const headPatience = 5 * time.Second

// RecogniseLog makes sure that the log is the one that the tables of db were projected from; otherwise the error is
// ErrForeignLog.
func RecogniseLog(ctx context.Context, db DB, log Log) error {
	at, err := checkpoint.Read(ctx, db)
	if err != nil || !at.Known {
		return err
	}
	if err := reachesTo(ctx, log, at.Position); err != nil {
		return err
	}
	commit, id, found, err := history.Last(ctx, db)
	if err != nil {
		return err
	}
	if found {
		there, err := EventAt(ctx, log, commit)
		if err != nil {
			return err
		}
		if there != id {
			return fmt.Errorf("%w: event %s is not at position %d", ErrForeignLog, id, commit)
		}
	}
	if at.EventID == uuid.Nil {
		return nil
	}
	there, err := EventAt(ctx, log, at.EventPosition)
	if err != nil {
		return err
	}
	if there != at.EventID && there != uuid.Nil { // a canary may have been scavenged
		return fmt.Errorf("%w: event %s is not at position %d", ErrForeignLog, at.EventID, at.EventPosition)
	}
	return nil
}

// DB is a connection, a pool or a transaction.
type DB interface {
	checkpoint.Querier
	history.Querier
}

// reachesTo makes sure that a log has come as far as a position.
func reachesTo(ctx context.Context, log Log, p eventstore.Position) error {
	ctx, cancel := context.WithTimeoutCause(ctx, headPatience, ErrForeignLog)
	defer cancel()
	const again = 100 * time.Millisecond
	for {
		head, written, err := log.Head(ctx)
		switch {
		case err == nil && written && head.Compare(p) >= 0:
			return nil
		case err != nil && ctx.Err() == nil:
			return fmt.Errorf("read the end of the log: %w", err)
		}
		if !wait(ctx, again) {
			if cause := context.Cause(ctx); !errors.Is(cause, ErrForeignLog) {
				return cause
			}
			return fmt.Errorf("%w: they stand at %s, and it ends at %s", ErrForeignLog, p, head)
		}
	}
}

// EventAt returns the id of the event at a commit position, the nil id when there is none.
func EventAt(ctx context.Context, log Log, commit uint64) (uuid.UUID, error) {
	at := eventstore.Position{Commit: commit, Prepare: commit}
	for ev, err := range log.ReadAll(ctx, eventstore.AllRead{From: &at, Count: 1}) {
		if errors.Is(err, eventstore.ErrInvalid) { // the log has no such position
			break
		}
		if err != nil {
			return uuid.Nil, fmt.Errorf("look for the event at position %d in the log: %w", commit, err)
		}
		if ev.Position.Commit == commit {
			return ev.ID, nil
		}
	}
	return uuid.Nil, nil
}

// sayWhoWrites makes the writes of a connection those of the projector, for the tables' outside_writes.
func sayWhoWrites(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, "SET ledger.projecting TO 'on'"); err != nil {
		return fmt.Errorf("say who writes: %w", err)
	}
	return nil
}

// becomeLeader returns when this connection holds the database's one lock for projecting. It asks
// again and again instead of waiting inside PostgreSQL, where a waiting statement would keep vacuum
// from its work for as long as the leader lives.
func (r *Runner) becomeLeader(ctx context.Context, conn *pgx.Conn) error {
	for waiting := false; ; waiting = true {
		var locked bool
		if err := conn.QueryRow(ctx, lockSQL).Scan(&locked); err != nil {
			return fmt.Errorf("ask for the projection lock: %w", err)
		}
		if locked {
			return nil
		}
		if err := r.noteRows(ctx, conn); err != nil {
			return err
		}
		if err := r.noteStanding(ctx, conn); err != nil {
			return err
		}
		if !waiting {
			r.status.change(func(st *Status) { st.Role, st.Live = Standby, false })
			r.log.InfoContext(ctx, "standing by: another ledger projects into this database",
				slog.Duration("poll", r.cfg.StandbyPoll))
		}
		if !wait(ctx, r.cfg.StandbyPoll) {
			return ctx.Err()
		}
	}
}
