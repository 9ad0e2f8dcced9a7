package rebuild

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// Engine rebuilds the read models of one database.
type Engine struct {
	cfg      Config
	log      *slog.Logger
	progress *meter
	pace     *pace
	swapped  Exchanged
	planned  *Plan // the last one
	by       string
}

// New makes an Engine.
func New(cfg Config) (*Engine, error) {
	full, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	pace := newPace(full.Fresh, full.Usual)
	return &Engine{cfg: full, log: full.Logger, progress: newMeter(full.Clock, full.Progress, pace.atPart), pace: pace}, nil
}

var (
	// ErrBusy says that another rebuild is at work on the same database.
	ErrBusy = errors.New("another rebuild is at work on this database: `ledger rebuild status` tells how far it is")
	// ErrEmptyLog says that there is nothing to build from.
	ErrEmptyLog = errors.New("rebuild: the log is empty")
	// ErrOtherProgram says that another version of the program made the tables.
	ErrOtherProgram = errors.New("rebuild: another version of the ledger made the tables beside the live ones")
	// ErrFrozen says that a frozen copy is there already.
	ErrFrozen = errors.New("the frozen copy is there already; `ledger rebuild drop --into NAME` removes it")
	// ErrSchemaTaken says that a schema with the name of a frozen copy is there, and is none.
	ErrSchemaTaken = errors.New("rebuild: a schema of that name is there already, and is no frozen copy")
	// ErrOtherLog says that the tables beside the live ones were built from another log.
	ErrOtherLog = errors.New("rebuild: the tables beside the live ones are of another log: drop them")
	// ErrNotBuilt says that there are no finished tables to compare or swap in.
	ErrNotBuilt = errors.New("rebuild: nothing is built yet")
)

// lockSQL takes the lock of whoever rebuilds, which ends with the connection. 0x4C454447 is "LEDG".
const lockSQL = "SELECT pg_try_advisory_lock(1279607879, 2)"

// exclusively opens a connection that holds the lock of rebuilds and works on the live tables. doing names the work for
// other processes.
func (e *Engine) exclusively(ctx context.Context, doing string, do func(ctx context.Context, conn *pgx.Conn) error) error {
	conn, err := e.cfg.Connect(ctx, schema.Live)
	if err != nil {
		return fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, conn)
	if err := takeLock(ctx, conn); err != nil {
		return err
	}
	defer e.announce(ctx, conn, doing)()
	e.pace.begin()
	if e.cfg.Fresh != nil {
		defer e.watch(ctx)()
	}
	err = do(ctx, conn)
	var different *DifferentError
	if err != nil && !errors.As(err, &different) { // which all is built before
		return explain(err)
	}
	if paces := e.progress.end(); !e.pace.gaveWay() {
		if err := storePaces(ctx, conn, paces); err != nil { // the work is done all the same
			e.log.WarnContext(ctx, "the next plan does not know how long this took", slog.Any("error", err))
		}
	}
	return err
}

// explain says what to do after an error of the database that the work can go on after.
func explain(err error) error {
	const goesOn = "the same command goes on where it was"
	if schema.IsLost(err) {
		return fmt.Errorf("PostgreSQL went away: when it is back, %s: %w", goesOn, err)
	}
	return schema.ExplainFull(err, goesOn)
}

// The lock of a process that was killed outlives it for a moment.
const (
	lockPatience = 2 * time.Second
	lockPoll     = 50 * time.Millisecond
)

func takeLock(ctx context.Context, conn *pgx.Conn) error {
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	late := time.NewTimer(lockPatience)
	defer late.Stop()
	for {
		var locked bool
		if err := conn.QueryRow(ctx, lockSQL).Scan(&locked); err != nil {
			return fmt.Errorf("take the lock of rebuilds: %w", err)
		}
		if locked {
			return nil
		}
		select {
		case <-tick.C:
		case <-late.C:
			return ErrBusy
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// closeTimeout bounds saying good-bye to the database.
const closeTimeout = 2 * time.Second

func closeConn(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx) // whatever it says, the session ends with the connection
}

// Status lists what stands beside the live tables.
func (e *Engine) Status(ctx context.Context) ([]Set, error) {
	conn, err := e.cfg.Connect(ctx, schema.Live)
	if err != nil {
		return nil, fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, conn)
	return Standing(ctx, conn)
}

// Standing lists what stands beside the live tables of a database.
func Standing(ctx context.Context, db querier) ([]Set, error) {
	sets, err := querySets(ctx, db, selectSets+" ORDER BY r.tables")
	if err != nil {
		return nil, err
	}
	left, err := trials(ctx, db)
	for _, name := range left {
		sets = append(sets, Set{Tables: name, Stage: Trial})
	}
	return sets, err
}

// Run builds the next tables, or goes on building them after an interruption, until they can be verified.
// Tables that are built are left as they are.
func (e *Engine) Run(ctx context.Context) error {
	e.progress.plan(Spilling, Loading, Indexing)
	return e.exclusively(ctx, "run", func(ctx context.Context, conn *pgx.Conn) error { return e.run(ctx, conn) })
}

func (e *Engine) run(ctx context.Context, conn *pgx.Conn) error {
	set, err := setOf(ctx, conn, nextTables)
	switch {
	case errors.Is(err, ErrNone):
		set, err = e.prepareNext(ctx, conn)
	case err == nil && set.Stage == Built && e.sameProgram(&set) == nil:
		if err = e.meets(ctx, conn); errors.Is(err, ErrLiveStale) { // this program makes the same again
			set, err = e.beginAnew(ctx, conn, set, err)
		}
	}
	if err != nil {
		return err
	}
	return e.build(ctx, conn, set)
}

// stands tells where tables stand, and whether they are of this log.
func (e *Engine) stands(ctx context.Context, conn *pgx.Conn) (at checkpoint.Checkpoint, ours bool, err error) {
	if at, err = checkpoint.Read(ctx, conn); err != nil {
		return at, false, err
	}
	err = projections.RecogniseLog(ctx, conn, e.cfg.Log)
	if errors.Is(err, projections.ErrForeignLog) {
		return at, false, nil
	}
	return at, err == nil, err
}

// liveTarget is where the live tables stand, so that both can be compared there; the end of the log when
// nothing was projected, or from another log.
func (e *Engine) liveTarget(ctx context.Context, conn *pgx.Conn) (eventstore.Position, error) {
	at, ours, err := e.stands(ctx, conn)
	if err != nil || (at.Known && ours) {
		return at.Position, err
	}
	return e.head(ctx)
}

// head is the end of the log.
func (e *Engine) head(ctx context.Context) (eventstore.Position, error) {
	head, written, err := e.cfg.Log.Head(ctx)
	if err != nil {
		return head, fmt.Errorf("read the end of the log: %w", err)
	}
	if !written {
		return head, ErrEmptyLog
	}
	return head, nil
}

// within refuses what is after the end of the log.
func (e *Engine) within(ctx context.Context, p eventstore.Position) error {
	head, err := e.head(ctx)
	if err == nil && p.Compare(head) > 0 {
		err = &BeyondError{Position: p, Head: head}
	}
	return err
}

// BeyondError says that a position is after the end of the log.
type BeyondError struct{ Position, Head eventstore.Position }

func (e *BeyondError) Error() string {
	return fmt.Sprintf("rebuild: position %s is after the end of the log at %s", e.Position, e.Head)
}

// Freeze builds a copy of all views as of a position in a new schema, or goes on doing so. What its tables hold is kept, for VerifyCopy.
func (e *Engine) Freeze(ctx context.Context, views string, at eventstore.Position) error {
	if err := e.within(ctx, at); err != nil {
		return err
	}
	return e.freeze(ctx, Set{Views: views, Target: at})
}

// FreezeRecorded is Freeze for what was recorded by a time, as far as the live views have come.
func (e *Engine) FreezeRecorded(ctx context.Context, views string, by time.Time) error {
	by = by.UTC().Truncate(time.Microsecond) // as views show times
	return e.freeze(ctx, Set{Views: views, RecordedBy: &by})
}

func (e *Engine) freeze(ctx context.Context, wanted Set) (err error) {
	views := wanted.Views
	tables, err := frozenTables(views)
	if err != nil {
		return err
	}
	wanted.Tables = tables
	e.progress.plan(Spilling, Loading, Indexing, Verifying)
	return e.exclusively(ctx, "freeze", func(ctx context.Context, conn *pgx.Conn) error {
		set, err := setOf(ctx, conn, tables)
		switch {
		case errors.Is(err, ErrNone):
			if err := unused(ctx, conn, views); err != nil {
				return err
			}
			if wanted.RecordedBy != nil {
				if wanted.Target, err = e.liveTarget(ctx, conn); err != nil {
					return err
				}
			}
			set, err = e.prepare(ctx, conn, wanted)
		case err == nil && !set.sameMoment(&wanted):
			err = fmt.Errorf("schema %s is a frozen copy as of %s, not %s; `ledger rebuild drop --into %s` removes it", views, set.AsOf(), wanted.AsOf(), views)
		case err == nil && set.Stage == Frozen:
			return fmt.Errorf("%w: schema %s, as of %s", ErrFrozen, views, set.AsOf())
		}
		if err != nil {
			return err
		}
		if err := e.build(ctx, conn, set); err != nil {
			return err
		}
		if set, err = setOf(ctx, conn, tables); err != nil {
			return err
		}
		digest, err := e.digestOf(ctx, &set)
		if err != nil {
			return err
		}
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if err := moveStage(ctx, tx, tables, Built, Frozen); err != nil {
				return err
			}
			if err := storeDigest(ctx, tx, tables, digest); err != nil {
				return err
			}
			if err := setVacuum(ctx, tx, tables, vacuumOn); err != nil {
				return err
			}
			if err := e.cfg.Tables.CopyViews(ctx, tx, views, tables); err != nil {
				return err
			}
			if err := e.trace(ctx, tx, "freeze", tables, &Proof{Digest: digest.Digest}); err != nil {
				return err
			}
			return e.cfg.Reached(ctx, PointFreezing)
		})
	})
}

// unused refuses the name of a schema that is there: it is not ours.
func unused(ctx context.Context, conn *pgx.Conn, views string) error {
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", views).Scan(&exists); err != nil {
		return fmt.Errorf("look for schema %s: %w", views, err)
	}
	if exists {
		return fmt.Errorf("%w: schema %s", ErrSchemaTaken, views)
	}
	return nil
}

// build does what is left to do until the tables are built.
func (e *Engine) build(ctx context.Context, conn *pgx.Conn, set Set) error {
	if err := e.sameProgram(&set); err != nil {
		if set.Stage == Built && set.division == "" { // what was live before a rollback is not thrown away
			return err
		}
		if set, err = e.beginAnew(ctx, conn, set, err); err != nil {
			return err
		}
	}
	if err := e.within(ctx, set.Target); err != nil {
		return errors.Join(ErrOtherLog, err)
	}
	for madeAgain := false; ; {
		var err error
		switch set.Stage {
		case Spilling:
			err = e.spill(ctx, conn, &set)
		case Loading:
			err = e.load(ctx, conn, &set)
			if errors.Is(err, errSpillDamaged) && !madeAgain {
				e.log.WarnContext(ctx, "the spilled events are made again from the log", slog.Any("reason", err))
				madeAgain = true
				continue
			}
		case Indexing:
			err = e.index(ctx, conn, &set)
		case Built:
			return e.removeSpill(set.Tables)
		case Retired, Frozen, Trial, CatchingUp, Verifying, Swapping:
			return fmt.Errorf("schema %s is in stage %s, which is not to be built", set.Tables, set.Stage)
		}
		if err != nil {
			return err
		}
	}
}

// sameProgram makes sure that tables mean what those of this program do, and that their units are its units.
func (e *Engine) sameProgram(set *Set) error {
	changes := fingerprint.Compare(set.Fingerprint, e.cfg.Fingerprint)
	switch unfinished := set.Stage == Spilling || set.Stage == Loading; {
	case len(changes) > 0:
		return fmt.Errorf("%w: %s; `ledger rebuild drop` removes them", ErrOtherProgram, fingerprint.Describe(changes))
	case unfinished && set.division != e.division():
		return fmt.Errorf("%w: it divides the log otherwise", ErrOtherProgram)
	}
	return nil
}

// beginAnew throws away what another program built and nobody saw: its rows are not to be mixed with those of this one.
func (e *Engine) beginAnew(ctx context.Context, conn *pgx.Conn, set Set, why error) (Set, error) {
	e.log.WarnContext(ctx, "the rebuild is begun anew", slog.String("tables", set.Tables), slog.Any("reason", why))
	if err := e.drop(ctx, conn, set.Tables); err != nil {
		return set, err
	}
	if set.Views == "" {
		return e.prepareNext(ctx, conn)
	}
	return e.prepare(ctx, conn, Set{Tables: set.Tables, Views: set.Views, Target: set.Target, RecordedBy: set.RecordedBy})
}

// divisionVersion changes with sliceOf and units.
const divisionVersion = 3

// division names how the log is divided into units.
func (e *Engine) division() string {
	return fmt.Sprintf("%d of %d bytes", divisionVersion, e.cfg.UnitBytes)
}

// prepareNext prepares the tables that are to become live, up to where those are.
func (e *Engine) prepareNext(ctx context.Context, conn *pgx.Conn) (Set, error) {
	target, err := e.liveTarget(ctx, conn)
	if err != nil {
		return Set{}, err
	}
	return e.prepare(ctx, conn, Set{Tables: nextTables, Target: target})
}

// prepare makes the empty tables without keys, and the row that tells how far they are.
func (e *Engine) prepare(ctx context.Context, conn *pgx.Conn, set Set) (Set, error) {
	if err := e.removeSpill(set.Tables); err != nil { // of tables that were dropped by hand
		return set, err
	}
	if err := e.checkSpace(ctx, conn); err != nil {
		return set, err
	}
	set.Stage, set.Fingerprint, set.division = Spilling, e.cfg.Fingerprint, e.division()
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DROP SCHEMA IF EXISTS "+set.Tables+" CASCADE"); err != nil {
			return fmt.Errorf("remove left-over tables: %w", err)
		}
		if err := e.cfg.Tables.Create(ctx, tx, set.Tables); err != nil {
			return err
		}
		var err error
		if set.keys, err = takeKeys(ctx, tx, set.Tables); err != nil {
			return err
		}
		if err := setVacuum(ctx, tx, set.Tables, vacuumOff); err != nil {
			return err
		}
		return insertSet(ctx, tx, &set)
	})
	if err != nil {
		return set, err
	}
	e.log.InfoContext(ctx, "rebuild begins", slog.String("tables", set.Tables), slog.String("target", set.Target.String()))
	return set, e.cfg.Reached(ctx, PointPrepared)
}
