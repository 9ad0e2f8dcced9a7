package projections

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/history"
)

//go:embed lock.sql
var lockSQL string

// ErrForeignLog is what Run returns when the newest projected event is not where it was in the log:
// the log was replaced or restored from an older copy, or the database belongs to another one. The
// read models of one log must not go on with another.
var ErrForeignLog = errors.New("projections: the read models are of another log")

// recogniseLog makes sure that the log is the one that the database was projected from.
func (r *Runner) recogniseLog(ctx context.Context, conn *pgx.Conn) error {
	commit, id, found, err := history.Last(ctx, conn)
	if err != nil || !found {
		return err
	}
	at := eventstore.Position{Commit: commit, Prepare: commit}
	for ev, err := range r.cfg.Log.ReadAll(ctx, eventstore.AllRead{From: &at, Count: 1}) {
		if errors.Is(err, eventstore.ErrInvalid) { // the log has no such position
			break
		}
		if err != nil {
			return fmt.Errorf("look for the newest projected event in the log: %w", err)
		}
		if ev.ID == id {
			return nil
		}
	}
	return fmt.Errorf("%w: event %s is not at position %s", ErrForeignLog, id, at)
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
		if !waiting {
			r.status.change(func(st *Status) { st.Role, st.Live = Standby, false })
			r.log.InfoContext(ctx, "standing by: another ledger projects into this database",
				slog.Duration("poll", r.cfg.StandbyPoll))
		}
		if err := r.noteRows(ctx, conn); err != nil {
			return err
		}
		if !wait(ctx, r.cfg.StandbyPoll) {
			return ctx.Err()
		}
	}
}
