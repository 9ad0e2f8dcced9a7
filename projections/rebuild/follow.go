package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
)

func (e *Engine) runnerConfig() projections.Config {
	return projections.Config{
		Log: e.cfg.Log, Logger: e.cfg.Logger, Clock: e.cfg.Clock,
		OnBatch: func(b projections.Batch) { e.progress.add(b.Position, int64(b.Events), int64(b.Position.Commit)) },
		Connect: func(ctx context.Context) (*pgx.Conn, error) { return e.cfg.Connect(ctx, nextTables) },
	}
}

// catchUp brings the next tables to where the live ones are now, or to the end of the log when those are of another.
func (e *Engine) catchUp(ctx context.Context, conn *pgx.Conn, stage Stage) error {
	at, ours, err := e.stands(ctx, conn)
	if err != nil || !at.Known {
		return err
	}
	if ours {
		at, err = e.awaitLive(ctx, conn, at)
	} else { // they will never be where the others are
		at.Position, err = e.head(ctx)
	}
	if err != nil {
		return err
	}
	if err := e.follow(ctx, stage, at.Position); err != nil {
		return fmt.Errorf("catch up with the live tables: %w", err)
	}
	return e.cfg.Reached(ctx, PointCaughtUp)
}

// ErrLiveBehind says that the live tables stand before the next ones, which only whoever projects can change.
var ErrLiveBehind = errors.New("rebuild: the live tables are behind the next ones, and no ledger that runs brings them up")

// liveMovesWithin is how soon live tables that are behind have to move.
const liveMovesWithin = 10 * time.Second

// awaitLive waits until the live tables, which stand at the given place, have come to where the next ones are: after a
// rollback they are behind tables that were live since.
func (e *Engine) awaitLive(ctx context.Context, conn *pgx.Conn, at checkpoint.Checkpoint) (checkpoint.Checkpoint, error) {
	tables, err := e.cfg.Connect(ctx, nextTables)
	if err != nil {
		return at, fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, tables)
	next, err := checkpoint.Read(ctx, tables)
	if err != nil {
		return at, err
	}
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for moved := e.cfg.Clock(); next.Known && at.Position.Compare(next.Position) < 0; {
		if e.cfg.Clock().Sub(moved) > liveMovesWithin {
			return at, fmt.Errorf("%w: they stand at %s and at %s", ErrLiveBehind, at, next)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return at, ctx.Err()
		}
		now, err := checkpoint.Read(ctx, conn)
		if err != nil {
			return at, err
		}
		if now.Position != at.Position {
			at, moved = now, e.cfg.Clock()
		}
	}
	return at, nil
}

// shareFollowing is the least share of the time that the next tables are brought to where the live ones are: it is to be
// less work than those take.
const shareFollowing = 0.5

// batchGivingWay bounds the events of a transaction meanwhile.
const batchGivingWay = 500

// follow brings the next tables to a position.
func (e *Engine) follow(ctx context.Context, stage Stage, to eventstore.Position) error {
	e.progress.begin(stage, to.Commit, 0, 0)
	cfg := e.runnerConfig()
	if e.pace.givesWay() {
		cfg.BatchEvents = batchGivingWay
		mine, tell := e.pace.turn(), cfg.OnBatch
		cfg.OnBatch = func(b projections.Batch) {
			tell(b)
			mine.waitAtLeast(ctx, shareFollowing)
		}
	}
	return projections.CatchUp(ctx, cfg, to)
}
