package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
	"github.com/order-ledger/order-ledger/projections/parked"
)

// StaleError says that another version of the program made the rows: they mean something else than
// what this one would write, and are to be rebuilt.
type StaleError struct {
	// Changed is never empty.
	Changed []fingerprint.Change
}

func (e *StaleError) Error() string {
	return "rebuild needed: the views were made by another version of the program: " + fingerprint.Describe(e.Changed)
}

// CheckRows returns a *StaleError when the rows of the views were made by another program than own;
// nil when nothing was projected so far.
func CheckRows(ctx context.Context, db checkpoint.Querier, own fingerprint.Fingerprint) error {
	at, err := checkpoint.Read(ctx, db)
	if err != nil || !at.Known {
		return err
	}
	rows, err := fingerprint.Read(ctx, db)
	if err != nil {
		return err
	}
	if changes := fingerprint.Compare(rows, own); len(changes) > 0 {
		return &StaleError{Changed: changes}
	}
	return nil
}

// Stale tells how the program that made the rows differs from this one, as far as the runner has seen;
// nothing when it does not. It does not ask the database or the log.
func (r *Runner) Stale() []fingerprint.Change { return r.status.read().Changed }

// Role tells what the runner does at the moment, without asking the database or the log.
func (r *Runner) Role() Role { return r.status.read().Role }

// Recognised tells whether the runner has looked whether the rows were made by this program and from this log; until
// then nobody knows what they mean.
func (r *Runner) Recognised() bool { return r.status.read().recognised }

// noteRows lets a standby tell that what the leader writes is not what it would write itself.
func (r *Runner) noteRows(ctx context.Context, conn *pgx.Conn) error {
	if r.cfg.Fingerprint == nil {
		return nil
	}
	err := CheckRows(ctx, conn, r.cfg.Fingerprint)
	var stale *StaleError
	if err != nil && !errors.As(err, &stale) {
		return err
	}
	r.status.change(func(st *Status) {
		st.Changed, st.recognised = nil, true
		if stale != nil {
			st.Changed = stale.Changed
		}
	})
	return nil
}

// noteStanding has a runner that does not lead tell where the views stand, which others move.
func (r *Runner) noteStanding(ctx context.Context, conn *pgx.Conn) error {
	at, err := checkpoint.Read(ctx, conn)
	if err != nil {
		return err
	}
	held, err := parked.Count(ctx, conn)
	if err != nil {
		return err
	}
	r.status.change(func(st *Status) { st.Checkpoint, st.Parked = at, held })
	return nil
}

// WhyHeldUp tells why the runner projects nothing at the moment, as far as it knows; empty when it projects or stands by.
func (r *Runner) WhyHeldUp() string {
	st := r.status.read()
	switch st.Role {
	case Stale:
		return (&StaleError{Changed: st.Changed}).Error()
	case Starting, Stopped:
		return st.LastError
	case Leader, Standby:
	}
	return ""
}

// recogniseRows makes sure that the rows were made by this program, or that there are none; these are
// then its own. The caller leads.
func (r *Runner) recogniseRows(ctx context.Context, conn *pgx.Conn) error {
	if r.cfg.Fingerprint == nil {
		return nil
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		at, err := checkpoint.Lock(ctx, tx)
		if err != nil {
			return err
		}
		if at.Known {
			return CheckRows(ctx, tx, r.cfg.Fingerprint)
		}
		return fingerprint.Store(ctx, tx, r.cfg.Fingerprint)
	})
}

// waitForRebuild has the rows rebuilt, or waits a while for somebody to do so; false when ctx ended.
func (r *Runner) waitForRebuild(ctx context.Context, stale *StaleError) bool {
	known := len(r.status.read().Changed) > 0
	r.status.change(func(st *Status) { st.Role, st.Live, st.Changed, st.recognised = Stale, false, stale.Changed, true })
	if !known {
		r.log.ErrorContext(ctx, "rebuild needed: the views were made by another version of the program",
			slog.String("changed", fingerprint.Describe(stale.Changed)))
	}
	if r.cfg.Rebuild == nil {
		return wait(ctx, r.cfg.StandbyPoll)
	}
	r.log.InfoContext(ctx, "rebuilding the views")
	err := r.cfg.Rebuild(ctx)
	if ctx.Err() != nil {
		return false
	}
	if err == nil {
		return true
	}
	err = fmt.Errorf("rebuild the views: %w", err)
	r.status.change(func(st *Status) { st.LastError, st.LastErrorAt = err.Error(), r.cfg.Clock() })
	r.log.ErrorContext(ctx, "the views could not be rebuilt, trying again", slog.Any("error", err),
		slog.Duration("retry_in", r.cfg.BackoffMost))
	return wait(ctx, r.cfg.BackoffMost)
}
