package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/parked"
)

// judgementsMost bounds how often CatchUp goes on after it found whose rows the database refuses.
const judgementsMost = 1000

// CatchUp does what a Runner does with tables that nobody else writes, those of a rebuild, until they
// stand at exactly one place in the log, which is not before where they are. It neither takes the lock of
// whoever projects nor looks at the fingerprint.
func CatchUp(ctx context.Context, cfg Config, to eventstore.Position) error {
	r, err := NewRunner(cfg)
	if err != nil {
		return err
	}
	for range judgementsMost {
		again, err := r.catchUp(ctx, to)
		if !again {
			return err
		}
	}
	return fmt.Errorf("catch up to %s: too many orders are refused", to)
}

// unledPatience is how long a lock may be held by a runner that only looks whose rows these are, and unledPoll how often it is
// asked for meanwhile.
const (
	unledPatience = time.Second
	unledPoll     = 20 * time.Millisecond
)

// Unled tells whether nobody projects into a database. If so, conn has the lock of whoever does, until it is closed.
func Unled(ctx context.Context, conn *pgx.Conn) (bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, unledPatience, errLed)
	defer cancel()
	for {
		var locked bool
		err := conn.QueryRow(context.WithoutCancel(ctx), lockSQL).Scan(&locked)
		switch {
		case err != nil:
			return false, fmt.Errorf("ask for the projection lock: %w", err)
		case locked:
			return true, nil
		case !wait(ctx, unledPoll) && errors.Is(context.Cause(ctx), errLed):
			return false, nil
		case ctx.Err() != nil:
			return false, ctx.Err()
		}
	}
}

var errLed = errors.New("somebody projects")

// catchUp is told to be done again after it found whose rows the database refuses.
func (r *Runner) catchUp(ctx context.Context, to eventstore.Position) (again bool, err error) {
	conn, err := r.cfg.Connect(ctx)
	if err != nil {
		return false, fmt.Errorf("connect to the read models: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = conn.Close(ctx) // whatever it says, the session ends with the connection
	}()
	if err := sayWhoWrites(ctx, conn); err != nil {
		return false, err
	}
	if err := reachesTo(ctx, r.cfg.Log, to); err != nil { // beyond the end nothing is known
		return false, err
	}
	at, err := checkpoint.TakeOver(ctx, conn)
	if err != nil {
		return false, err
	}
	if at.Known && at.Position.Compare(to) > 0 {
		return false, fmt.Errorf("catch up to %s: the tables stand at %s", to, at)
	}
	if at.Reached(to) {
		return false, nil
	}
	held, err := parked.List(ctx, conn)
	if err != nil {
		return false, err
	}
	err = r.lead(ctx, conn, at, held, &to)
	var refused *refusedError
	if !errors.As(err, &refused) || ctx.Err() != nil {
		return false, err
	}
	i := isolator{log: r.cfg.Log, conn: conn, into: r.verdict}
	if found, isolateErr := i.isolate(ctx, refused.batch); !found {
		return false, errors.Join(err, isolateErr)
	}
	return true, nil
}
