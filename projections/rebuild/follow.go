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
	"github.com/order-ledger/order-ledger/projections/fingerprint"
	"github.com/order-ledger/order-ledger/projections/schema"
)

func (e *Engine) runnerConfig(tables string) projections.Config {
	return projections.Config{
		Log: e.cfg.Log, Logger: e.cfg.Logger, Clock: e.cfg.Clock,
		OnBatch: func(b projections.Batch) { e.progress.add(b.Position, int64(b.Events), int64(b.Position.Commit)) },
		Connect: func(ctx context.Context) (*pgx.Conn, error) { return e.cfg.Connect(ctx, tables) },
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

var (
	// ErrLiveBehind says that the live tables stand before the next ones, and that whoever projects does not bring them up.
	ErrLiveBehind = errors.New("the live tables are behind the new ones, and the ledger that projects does not bring them up: look why " +
		"(`ledger status`), or throw the new ones away with `ledger rebuild drop`, and what a swap retired with them, and `ledger rebuild` begins anew")
	// ErrLiveStale says that the live tables stand before the next ones and are of another version of the program, so that nobody
	// brings them up.
	ErrLiveStale = errors.New("another version of the ledger made the live tables, which are behind the new ones: nobody brings them to " +
		"where both can be compared; `ledger rebuild run` builds new ones for where they are")
)

// liveMovesWithin is how soon live tables that are behind have to move.
const liveMovesWithin = 10 * time.Second

// nextAt tells where the next tables stand.
func (e *Engine) nextAt(ctx context.Context) (checkpoint.Checkpoint, error) {
	tables, err := e.cfg.Connect(ctx, nextTables)
	if err != nil {
		return checkpoint.Checkpoint{}, fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, tables)
	return checkpoint.Read(ctx, tables)
}

// awaitLive returns when the live tables, which stand at the given place, have come to where the next ones are: after a
// rollback they are behind tables that were live since. Whoever projects brings them up; when nobody does, the rebuild.
func (e *Engine) awaitLive(ctx context.Context, conn *pgx.Conn, at checkpoint.Checkpoint) (checkpoint.Checkpoint, error) {
	next, err := e.nextAt(ctx)
	if err != nil || !next.Known || at.Position.Compare(next.Position) >= 0 {
		return at, err
	}
	unled, err := e.bringUp(ctx, next)
	if err != nil {
		return at, err
	}
	if unled {
		return checkpoint.Read(ctx, conn)
	}
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for moved := e.cfg.Clock(); at.Position.Compare(next.Position) < 0; {
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

// bringUp brings the live tables to where the next ones are, unless somebody projects or ErrLiveStale.
func (e *Engine) bringUp(ctx context.Context, next checkpoint.Checkpoint) (unled bool, err error) {
	holder, err := e.cfg.Connect(ctx, schema.Live)
	if err != nil {
		return false, fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, holder)
	if unled, err = e.unled(ctx, holder); err != nil || !unled {
		return false, err
	}
	return true, projections.CatchUp(ctx, e.runnerConfig(schema.Live), next.Position)
}

// unled tells whether nobody projects, and keeps everybody from it while holder is open. It is ErrLiveStale when nobody would
// do so with this program.
func (e *Engine) unled(ctx context.Context, holder *pgx.Conn) (bool, error) {
	unled, err := projections.Unled(ctx, holder)
	if err != nil || !unled {
		return false, err
	}
	err = projections.CheckRows(ctx, holder, e.cfg.Fingerprint)
	if stale := (*projections.StaleError)(nil); errors.As(err, &stale) {
		err = fmt.Errorf("%w (%s)", ErrLiveStale, fingerprint.Describe(stale.Changed))
	}
	return err == nil, err
}

// meets is ErrLiveStale when the live tables will never come to where the next ones are that are built.
func (e *Engine) meets(ctx context.Context, conn *pgx.Conn) error {
	at, ours, err := e.stands(ctx, conn)
	if err != nil || !at.Known || !ours {
		return err
	}
	next, err := e.nextAt(ctx)
	if err != nil || !next.Known || at.Position.Compare(next.Position) >= 0 {
		return err
	}
	holder, err := e.cfg.Connect(ctx, schema.Live)
	if err != nil {
		return fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, holder)
	_, err = e.unled(ctx, holder)
	return err
}

// shareFollowing is the least share of the time that the next tables are brought to where the live ones are: it is to be
// less work than those take.
const shareFollowing = 0.5

// batchGivingWay bounds the events of a transaction meanwhile.
const batchGivingWay = 500

// follow brings the next tables to a position.
func (e *Engine) follow(ctx context.Context, stage Stage, to eventstore.Position) error {
	e.progress.begin(stage, to.Commit, 0, 0)
	cfg := e.runnerConfig(nextTables)
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
