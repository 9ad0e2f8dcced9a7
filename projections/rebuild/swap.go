package rebuild

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
	"github.com/order-ledger/order-ledger/projections/schema"
)

var (
	// ErrNotProven says that the next tables were not compared with the live ones.
	ErrNotProven = errors.New("rebuild: the new tables were not compared with the live ones yet: `ledger rebuild verify` does so before the swap")
	// ErrOtherMethod says that they were compared in another way, which may have taken for equal what this program does not.
	ErrOtherMethod = errors.New("rebuild: another version of the ledger compared the tables, in another way: `ledger rebuild verify` compares them anew, and the swap goes by that")
	// ErrNoWayBack says that nothing was swapped, or that it was dropped.
	ErrNoWayBack = errors.New("rebuild: there are no tables of an earlier swap")
	// ErrNoCopy says that there is no frozen copy of a name.
	ErrNoCopy = errors.New("there is no frozen copy")
	// ErrSwapped says that what could be swapped in was: the answer of that swap may have been lost.
	ErrSwapped = errors.New("rebuild: nothing waits to be swapped in, the last swap is done: `ledger rebuild status` tells since when, `ledger rebuild rollback` leads back")
	errMovedOn = errors.New("the live tables moved on")
)

// DifferentError says that the next tables differ from the live ones, and that nobody approved it.
type DifferentError struct{ Proof *Proof }

func (e *DifferentError) Error() string {
	return "rebuild: the new tables differ from the live ones; whoever has looked at the difference can approve it by its digest, " + e.Proof.Digest
}

// Swap puts the next tables in the place of the live ones, as far as they are proven equal, or their
// difference is approved by the digest of its proof. The tables that were live stay, for Rollback.
func (e *Engine) Swap(ctx context.Context, approve string) error {
	e.progress.plan(Swapping)
	return e.exclusively(ctx, "swap", func(ctx context.Context, conn *pgx.Conn) error { return e.swap(ctx, conn, approve) })
}

func (e *Engine) swap(ctx context.Context, conn *pgx.Conn, approve string) error {
	set, err := e.builtSet(ctx, conn)
	if errors.Is(err, ErrNone) {
		if _, before := setOf(ctx, conn, retiredTables); before == nil {
			return ErrSwapped
		}
	}
	if err != nil {
		return err
	}
	if set.Proof == nil {
		return ErrNotProven
	}
	if !set.Proof.Counts() {
		return ErrOtherMethod
	}
	if err := e.recognise(ctx, nextTables); err != nil {
		return err
	}
	proof := set.Proof
	for attempt := 1; ; attempt++ {
		if err := unwritten(ctx, conn, proof); err == nil {
			if err := e.swapProven(ctx, conn, proof, approve); !errors.Is(err, errStale) || attempt == proofsMost {
				return err
			}
		} else if !errors.Is(err, errStale) {
			return err
		}
		if proof, err = e.verify(ctx, conn); err != nil {
			return err
		}
	}
}

// proofsMost is how often one swap proves anew what did not hold any more.
const proofsMost = 3

func (e *Engine) swapProven(ctx context.Context, conn *pgx.Conn, proof *Proof, approve string) error {
	if !proof.Equal() && approve != proof.Digest {
		return &DifferentError{Proof: proof}
	}
	if !proof.Compared {
		at, err := checkpoint.Read(ctx, conn)
		if err != nil {
			return err
		}
		if at.Known { // somebody projected meanwhile: now there is something to compare with
			return ErrNotProven
		}
	}
	if err := e.drop(ctx, conn, retiredTables); err != nil && !errors.Is(err, ErrNone) {
		return err
	}
	// Before the exchange, which readers wait for.
	if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return setVacuum(ctx, tx, nextTables, vacuumOn) }); err != nil {
		return err
	}
	if err := e.cfg.Reached(ctx, PointCleared); err != nil {
		return err
	}
	began := e.cfg.Clock()
	err := e.until(ctx, func(attempt int) error {
		if err := e.catchUp(ctx, conn, Swapping); err != nil {
			return err
		}
		return e.exchange(ctx, exchange{doing: "swap", from: nextTables, fromStage: Built, to: retiredTables, toStage: Retired, proof: proof,
			follow: followFirst << min(attempt-1, followDoublings), at: PointSwapping})
	})
	if err != nil {
		return err
	}
	e.swapped.Took = e.cfg.Clock().Sub(began)
	e.log.InfoContext(ctx, "the rebuilt tables are live", slog.Duration("took", e.swapped.Took), slog.Int("attempts", e.swapped.Attempts),
		slog.Duration("live_runner_held", e.swapped.Held), e.byAttr(), slog.String("proof", proof.Digest), slog.Bool("approved", approve == proof.Digest),
		slog.String("differences", proof.Summary()))
	return e.cfg.Reached(ctx, PointSwapped)
}

// Exchanged tells how the last swap or rollback went.
type Exchanged struct {
	Attempts int `json:"attempts"`
	// Held is how long the live runner could not write, in all attempts together, Took is the whole of it.
	Held time.Duration `json:"held_ns"`
	Took time.Duration `json:"took_ns"`
}

// Exchanged is about the last Swap, Rollback or All of this engine.
func (e *Engine) Exchanged() Exchanged { return e.swapped }

// RetiredStaleError says that another version of the program made the tables that a rollback would make live.
type RetiredStaleError struct{ Changed []fingerprint.Change }

func (e *RetiredStaleError) Error() string {
	return fmt.Sprintf("another version of the ledger made the tables from before the swap (%s): this one serves none of their views, and nothing "+
		"was done. `ledger rebuild rollback --other-version` makes them live all the same, for that version", fingerprint.Describe(e.Changed))
}

// Rollback makes the tables live again that a swap retired. A runner goes on from where they were left.
// What was live becomes the next tables. Tables of another version of the program, which no runner of this one goes on with,
// are refused with a *RetiredStaleError unless otherVersion says that they are wanted.
func (e *Engine) Rollback(ctx context.Context, otherVersion bool) error {
	return e.exclusively(ctx, "rollback", func(ctx context.Context, conn *pgx.Conn) error {
		set, err := setOf(ctx, conn, retiredTables)
		if errors.Is(err, ErrNone) {
			return ErrNoWayBack
		}
		if err != nil {
			return err
		}
		if _, err := setOf(ctx, conn, nextTables); err == nil {
			return fmt.Errorf("roll back: a rebuild was begun since then: drop it first")
		} else if !errors.Is(err, ErrNone) {
			return err
		}
		if err := e.recognise(ctx, retiredTables); err != nil {
			return err
		}
		if err := e.retiredStale(ctx); err != nil && !otherVersion {
			return err
		}
		began := e.cfg.Clock()
		err = e.until(ctx, func(int) error {
			return e.exchange(ctx, exchange{doing: "rollback", from: set.Tables, fromStage: Retired, to: nextTables, toStage: Built, at: PointRollingBack})
		})
		if err != nil {
			return err
		}
		e.swapped.Took = e.cfg.Clock().Sub(began)
		e.log.InfoContext(ctx, "the tables from before the swap are live again", slog.Duration("took", e.swapped.Took), e.byAttr())
		return e.cfg.Reached(ctx, PointRolledBack)
	})
}

// retiredStale is a *RetiredStaleError when another program made the tables of an earlier swap.
func (e *Engine) retiredStale(ctx context.Context) error {
	conn, err := e.cfg.Connect(ctx, retiredTables)
	if err != nil {
		return fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, conn)
	err = projections.CheckRows(ctx, conn, e.cfg.Fingerprint)
	if stale := (*projections.StaleError)(nil); errors.As(err, &stale) {
		return &RetiredStaleError{Changed: stale.Changed}
	}
	return err
}

// until tries again while readers are in the way, or the live tables move on faster than the others
// follow.
func (e *Engine) until(ctx context.Context, try func(attempt int) error) error {
	end := e.cfg.Clock().Add(e.cfg.SwapTimeout)
	e.swapped = Exchanged{}
	for attempt := 1; ; attempt++ {
		e.swapped.Attempts = attempt
		err := try(attempt)
		if err == nil || (!errors.Is(err, errMovedOn) && !e.cfg.Tables.IsBusy(err)) {
			return err
		}
		if !e.cfg.Clock().Before(end) {
			return fmt.Errorf("no moment for the swap was found within %s, in %d attempts: %w", e.cfg.SwapTimeout, attempt, err)
		}
		timer := time.NewTimer(10*time.Millisecond + rand.N(90*time.Millisecond))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// exchange is a swap in one of two directions.
type exchange struct {
	doing string // for the trace
	// from are the tables to become live, to is what the live ones become.
	from, to           string
	fromStage, toStage Stage
	// follow is how long the live runner may be held up while the other tables come to where it is;
	// 0 when they need not stand at the same position.
	follow time.Duration
	// proof is what the swap rests on; nil for the way back.
	proof *Proof
	at    Point
}

// The live runner is held up for no longer than followFirst at the first attempt. When it moves on faster
// than the other tables follow, every further attempt may hold it up for twice as long: what is missing
// does not grow meanwhile, so that some attempt succeeds.
const (
	followFirst     = time.Second
	followDoublings = 5
)

// exchange works over a connection of its own: a limit that runs out as its statement ends cancels what comes next, and whatever
// that was, the connection is of no use any more. The one that holds the lock of rebuilds has to outlive it.
func (e *Engine) exchange(ctx context.Context, x exchange) error {
	conn, err := e.cfg.Connect(ctx, schema.Live)
	if err != nil {
		return fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, conn)
	if err := learnViews(ctx, conn); err != nil {
		return err
	}
	var locked time.Time
	defer func() {
		if !locked.IsZero() {
			e.swapped.Held += e.cfg.Clock().Sub(locked)
		}
	}()
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		live, err := checkpoint.Lock(ctx, tx) // from here on the live runner waits
		if err != nil {
			return err
		}
		locked = e.cfg.Clock()
		if err := e.cfg.Reached(ctx, PointSwapLocked); err != nil {
			return err
		}
		if x.follow > 0 && live.Known && !x.proof.OtherLog {
			followCtx, cancel := context.WithTimeoutCause(ctx, x.follow, errMovedOn)
			defer cancel()
			if err := projections.CatchUp(followCtx, e.runnerConfig(nextTables), live.Position); err != nil {
				if ctx.Err() == nil && followCtx.Err() != nil {
					return fmt.Errorf("%w: %w", errMovedOn, err)
				}
				return err
			}
		}
		if x.proof != nil {
			if err := e.holds(ctx, tx, x.proof, live); err != nil {
				return err
			}
		}
		if err := raiseEpochs(ctx, tx, x.from); err != nil {
			return err
		}
		if err := recordExchange(ctx, tx, x, e.cfg.Fingerprint); err != nil {
			return err
		}
		if err := e.trace(ctx, tx, x.doing, x.from, x.proof); err != nil {
			return err
		}
		if err := e.cfg.Tables.Exchange(ctx, tx, x.from, x.to, e.cfg.ReadersWait); err != nil {
			return err
		}
		return e.cfg.Reached(ctx, x.at)
	})
}

// learnViews has a connection know the public views: one that is new reads about them in the catalogue, which readers would
// wait for.
func learnViews(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, "SELECT format('EXPLAIN SELECT * FROM ledger.%I', relname) FROM pg_class WHERE relnamespace = 'ledger'::regnamespace AND relkind = 'v'")
	if err != nil {
		return fmt.Errorf("list the views: %w", err)
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list the views: %w", err)
	}
	var all pgx.Batch
	for _, s := range statements {
		all.Queue(s)
	}
	if err := conn.SendBatch(ctx, &all).Close(); err != nil {
		return fmt.Errorf("read the views: %w", err)
	}
	return nil
}

// raiseEpochs keeps whoever writes the live tables from writing either set before it has begun anew.
func raiseEpochs(ctx context.Context, tx pgx.Tx, from string) error {
	_, err := tx.Exec(ctx, fmt.Sprintf(`
		WITH newest AS (SELECT greatest(l.epoch, f.epoch) + 1 AS epoch FROM %[1]s.checkpoint l, %[2]s.checkpoint f),
		  live AS (UPDATE %[1]s.checkpoint c SET epoch = n.epoch FROM newest n)
		UPDATE %[2]s.checkpoint c SET epoch = n.epoch FROM newest n`, schema.Live, from))
	if err != nil {
		return fmt.Errorf("raise the epochs: %w", err)
	}
	return nil
}

// recordExchange gives the row of the tables that become live to those that were.
func recordExchange(ctx context.Context, tx pgx.Tx, x exchange, own map[string]string) error {
	tag, err := tx.Exec(ctx, fmt.Sprintf(`UPDATE ledger_control.rebuilds r
		SET tables = $2, stage = $4, updated_at = clock_timestamp(), proof = CASE WHEN $4 = 'BUILT' THEN NULL ELSE proof END, key_statements = '{}', division = NULL,
		    fingerprint = coalesce(c.fingerprint, '{}'),
		    target_commit = coalesce(c.commit_position, 0), target_prepare = coalesce(c.prepare_position, 0)
		FROM %s.checkpoint c WHERE r.tables = $1 AND r.stage = $3`, schema.Live),
		x.from, x.to, string(x.fromStage), string(x.toStage))
	if err != nil {
		return fmt.Errorf("record the swap: %w", err)
	}
	if tag.RowsAffected() != 1 {
		return fmt.Errorf("record the swap: %s is not in stage %s", x.from, x.fromStage)
	}
	return nil
}

// Drop removes what is being built or waits to be swapped in, and what a swap retired; or, with the name
// of its views' schema, a frozen copy.
func (e *Engine) Drop(ctx context.Context, views string) error {
	return e.exclusively(ctx, "drop", func(ctx context.Context, conn *pgx.Conn) error {
		if views != "" {
			tables, err := frozenTables(views)
			if err != nil {
				return err
			}
			if err = e.drop(ctx, conn, tables); errors.Is(err, ErrNone) {
				err = fmt.Errorf("%w %s", ErrNoCopy, views)
			}
			return err
		}
		tried, err := e.dropTrials(ctx, conn)
		if err != nil {
			return err
		}
		first, second := e.drop(ctx, conn, nextTables), e.drop(ctx, conn, retiredTables)
		if tried == 0 && errors.Is(first, ErrNone) && errors.Is(second, ErrNone) {
			return ErrNone
		}
		for _, err := range []error{first, second} {
			if err != nil && !errors.Is(err, ErrNone) {
				return err
			}
		}
		return nil
	})
}

func (e *Engine) drop(ctx context.Context, conn *pgx.Conn, tables string) error {
	set, err := setOf(ctx, conn, tables)
	if err != nil {
		return err
	}
	if err := e.removeSpill(tables); err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if set.Stage == Frozen { // before that, a schema of this name is somebody else's
			if _, err := tx.Exec(ctx, "DROP SCHEMA IF EXISTS "+column(set.Views)+" CASCADE"); err != nil {
				return fmt.Errorf("drop schema %s: %w", set.Views, err)
			}
		}
		if _, err := tx.Exec(ctx, "DROP SCHEMA IF EXISTS "+tables+" CASCADE"); err != nil {
			return fmt.Errorf("drop schema %s: %w", tables, err)
		}
		if err := e.cfg.Reached(ctx, PointDropped); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM ledger_control.rebuilds WHERE tables = $1", tables); err != nil {
			return err
		}
		return e.trace(ctx, tx, "drop", tables, nil)
	})
	if err != nil {
		return fmt.Errorf("drop %s: %w", tables, err)
	}
	e.log.InfoContext(ctx, "tables beside the live ones are dropped", slog.String("tables", tables), slog.String("stage", string(set.Stage)), e.byAttr())
	return nil
}

// viewsName is what schemas of frozen copies may be called: it is part of the name of their tables.
var viewsName = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

const viewsNameMost = 40

// CheckViewsName tells whether a frozen copy may have a name.
func CheckViewsName(views string) error {
	_, err := frozenTables(views)
	return err
}

func frozenTables(views string) (string, error) {
	if !viewsName.MatchString(views) || len(views) > viewsNameMost || views == "ledger" || strings.HasPrefix(views, schema.Live) || strings.HasPrefix(views, "pg_") {
		return "", fmt.Errorf("schema %q: the name of a frozen copy is of lower-case letters, digits and single underscores, at most %d, for example "+
			"month_2026_10; it is not ledger, and does not begin with %s or pg_", views, viewsNameMost, schema.Live)
	}
	return frozenPrefix + views, nil
}

// All builds, verifies and swaps; a difference ends it unless it is approved.
func (e *Engine) All(ctx context.Context, approve string) (*Proof, error) {
	var proof *Proof
	e.progress.plan(Spilling, Loading, Indexing, CatchingUp, Verifying, Swapping)
	err := e.exclusively(ctx, "rebuild", func(ctx context.Context, conn *pgx.Conn) error {
		if err := e.run(ctx, conn); err != nil {
			return err
		}
		set, err := e.builtSet(ctx, conn)
		if err != nil {
			return err
		}
		if proof = set.Proof; !proof.Counts() || approve != proof.Digest {
			if proof, err = e.verify(ctx, conn); err != nil {
				return err
			}
		}
		return e.swap(ctx, conn, approve)
	})
	return proof, err
}
