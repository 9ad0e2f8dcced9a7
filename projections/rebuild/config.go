package rebuild

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
)

// Names of the schemas of tables beside the live one.
const (
	// nextTables are being built, or wait to be swapped in.
	nextTables = "ledger_data_next"
	// retiredTables were live before the last swap.
	retiredTables = "ledger_data_before"
	// frozenPrefix and the name of the views' schema are the name of the tables of a frozen copy.
	frozenPrefix = "ledger_data_frozen_"
)

// Defaults of Config. A thousandth of ten million events, a slice, fits a unit, so that it is read once.
const (
	DefaultUnitBytes   = 16 << 20
	DefaultMarkEvery   = 2_000_000
	DefaultReadersWait = 50 * time.Millisecond
	DefaultSwapTimeout = time.Minute
)

// Tables is what a rebuild needs of the schema's history. Each works within a transaction.
type Tables struct {
	// Create makes an empty set of tables, with keys, in a new schema.
	Create func(ctx context.Context, tx pgx.Tx, schema string) error
	// Exchange makes the tables of the schema next the live ones, and the live ones those of the schema
	// retired, within a time; it answers with an error that IsBusy knows when readers were in the way.
	Exchange func(ctx context.Context, tx pgx.Tx, next, retired string, most time.Duration) error
	IsBusy   func(error) bool
	// CopyViews makes views like the public ones, in the new schema into, of other tables.
	CopyViews func(ctx context.Context, tx pgx.Tx, into, tables string) error
}

// Config is what an Engine is made of. Log, Connect, Tables, Fingerprint, Dir, Logger and Clock are
// required; the zero value of everything else is the default of the same name, or nothing.
type Config struct {
	Log projections.Log
	// Connect opens a connection that works on the tables of a schema. The engine closes it.
	Connect func(ctx context.Context, schema string) (*pgx.Conn, error)
	Tables  Tables
	// Fingerprint is of the program that runs.
	Fingerprint fingerprint.Fingerprint
	// Dir is where events are spilled to; it is made.
	Dir    string
	Logger *slog.Logger
	Clock  func() time.Time

	// Workers fold and write, and make indexes, side by side; one per processor if zero, two at least. Those that fold and write
	// wait for the disk as well: if Workers is zero they are one more.
	Workers int
	loaders int
	// UnitBytes bounds the events, uncompressed, that one worker holds.
	UnitBytes int64
	// MarkEvery bounds the events that are read again after a crash while they are spilled.
	MarkEvery int64
	// ReadersWait bounds how long a swap keeps readers of the views waiting, and SwapTimeout how long it
	// goes on trying to find such a moment. ReadersWait is to be below PostgreSQL's deadlock_timeout, so that
	// it is the swap and never a reader that gives way.
	ReadersWait, SwapTimeout time.Duration

	// Fresh tells how long it took lately until what was written was visible in the live views; false when
	// nobody measures. The rebuild makes room when it doubles.
	Fresh func() (latest time.Duration, ok bool)
	// Usual tells how long that usually takes, Watched has it measured often until what it returns is called; both may be
	// nil.
	Usual   func() (time.Duration, bool)
	Watched func() (done func())
	// Background, if set, has the operating system prefer everything else to the server's process of a connection, for as long as
	// that lives, where it can. It is called, maybe several times, for connections of a rebuild that gives way, and never for one
	// that writes to the live tables: what it locks others wait for.
	Background func(*pgx.Conn)
	// Progress is told how far the work is, several times a second, from one goroutine at a time.
	Progress func(Progress)
	// FreeBytes tells the free disk space for spilled events; false when it is not known. DatabaseHere says
	// that the database is on the same disk.
	FreeBytes    func() (free uint64, ok bool)
	DatabaseHere bool
	// Reached is called at each named point of Points; tests stop the work there.
	Reached func(ctx context.Context, point Point) error
}

func (c Config) withDefaults() (Config, error) {
	if c.Log == nil || c.Connect == nil || c.Tables.Create == nil || c.Fingerprint == nil || c.Dir == "" || c.Logger == nil || c.Clock == nil {
		return c, errors.New("rebuild: Log, Connect, Tables, Fingerprint, Dir, Logger and Clock are required")
	}
	if c.loaders = c.Workers; c.Workers <= 0 {
		c.Workers = max(2, runtime.GOMAXPROCS(0))
		c.loaders = c.Workers + 1
	}
	if c.UnitBytes <= 0 {
		c.UnitBytes = DefaultUnitBytes
	}
	if c.MarkEvery <= 0 {
		c.MarkEvery = DefaultMarkEvery
	}
	if c.ReadersWait <= 0 {
		c.ReadersWait = DefaultReadersWait
	}
	if c.SwapTimeout <= 0 {
		c.SwapTimeout = DefaultSwapTimeout
	}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	if c.Reached == nil {
		c.Reached = func(context.Context, Point) error { return nil }
	}
	return c, nil
}

// Point is a place in the work of a rebuild at which a crash must do no harm.
type Point string

// Points in the order in which a whole rebuild passes them.
const (
	PointPrepared    Point = "prepared"     // tables and their row of control exist
	PointMarked      Point = "marked"       // some events are spilled, and durable
	PointSpilled     Point = "spilled"      // all are, and the stage says so
	PointUnitFolded  Point = "unit folded"  // a unit is in its transaction, not committed
	PointUnitLoaded  Point = "unit loaded"  // it is committed
	PointOnTrial     Point = "on trial"     // tables are made to try refused rows on
	PointLoaded      Point = "loaded"       // all units are, and the stage says so
	PointKeyMade     Point = "key made"     // one of several
	PointIndexed     Point = "indexed"      // all keys and statistics, not the checkpoint
	PointBuilt       Point = "built"        // the stage says so
	PointCaughtUp    Point = "caught up"    // with the live tables
	PointProven      Point = "proven"       // the proof is stored
	PointCleared     Point = "cleared"      // tables of an earlier swap are gone
	PointSwapLocked  Point = "swap locked"  // nobody can move the live checkpoint
	PointSwapping    Point = "swapping"     // everything is exchanged, not committed
	PointSwapped     Point = "swapped"      // committed
	PointRollingBack Point = "rolling back" // everything is exchanged back, not committed
	PointRolledBack  Point = "rolled back"  // committed
	PointFreezing    Point = "freezing"     // the views of a frozen copy exist, not committed
	PointDropped     Point = "dropped"      // the tables are gone, their row of control is not
)

// Points lists all of them.
func Points() []Point {
	return []Point{
		PointPrepared, PointMarked, PointSpilled, PointUnitFolded, PointUnitLoaded, PointOnTrial, PointLoaded, PointKeyMade, PointIndexed,
		PointBuilt, PointCaughtUp, PointProven, PointCleared, PointSwapLocked, PointSwapping, PointSwapped, PointRollingBack,
		PointRolledBack, PointFreezing, PointDropped,
	}
}
