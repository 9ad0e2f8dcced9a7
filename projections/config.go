package projections

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
)

// Log is what a runner needs of the event store.
type Log interface {
	eventstore.Reader
	eventstore.Subscriber
}

// Connect opens a connection to the database of the read models. The runner owns it, keeps it for
// as long as it leads or waits to, and closes it.
type Connect func(ctx context.Context) (*pgx.Conn, error)

// Clock tells the time, for what is shown about the runner; no row depends on it.
type Clock func() time.Time

// Defaults of Config.
const (
	DefaultBatchEvents   = 8000
	DefaultBatchBytes    = 16 << 20
	DefaultCachedOrders  = 20_000
	DefaultCacheBytes    = 96 << 20
	DefaultParallelLoads = 4

	DefaultIdleCheckpoint = 500 * time.Millisecond
	DefaultStandbyPoll    = 500 * time.Millisecond
	DefaultKeepAlive      = 5 * time.Second
	DefaultWriteTimeout   = 60 * time.Second

	DefaultBackoffFirst = 100 * time.Millisecond
	DefaultBackoffMost  = 5 * time.Second
)

// Config is what a Runner is made of. Log, Connect, Logger and Clock are required; the zero value of
// everything else is the default of the same name.
type Config struct {
	Log     Log
	Connect Connect
	Logger  *slog.Logger
	Clock   Clock

	// BatchEvents and BatchBytes bound one transaction; twice BatchBytes of events wait in memory at
	// most, besides what is being folded and written. One event larger than BatchBytes is a batch of
	// its own.
	BatchEvents int
	BatchBytes  int

	// CachedOrders and CacheBytes (estimated) bound the orders whose state is kept between batches.
	CachedOrders int
	CacheBytes   int
	// ParallelLoads bounds the orders that are re-folded from their streams at the same time.
	ParallelLoads int

	// IdleCheckpoint is the shortest time between two moves of the checkpoint that come with no rows.
	IdleCheckpoint time.Duration
	// StandbyPoll is how often a standby tries to become leader.
	StandbyPoll time.Duration
	// KeepAlive is how often an idle leader makes sure that it still has its connection, and that
	// nobody took over or ended the parking of an order.
	KeepAlive time.Duration
	// WriteTimeout bounds one transaction.
	WriteTimeout time.Duration

	// BackoffFirst and BackoffMost bound the pause after a failure, which doubles and is jittered.
	BackoffFirst, BackoffMost time.Duration

	// Fingerprint is of the program that runs; nil does not compare it with that of the rows. See
	// StaleError.
	Fingerprint fingerprint.Fingerprint
	// Rebuild, when set, is called to build the rows anew when another program made them, while this runner
	// neither leads nor stands by. When it is nil the runner waits until somebody else has done so.
	Rebuild func(ctx context.Context) error

	// OnBatch, when set, is called after each committed transaction, from one goroutine.
	OnBatch func(Batch)
	// Passed, when set, is called at each of Points, from one goroutine; tests end the process there.
	Passed func(Point)
}

// Point is a place in the work of a runner at which a crash must do no harm.
type Point string

// Points in the order in which a session passes them.
const (
	PointLeading   Point = "leading"   // the epoch is raised, nothing is read
	PointFolded    Point = "folded"    // a batch is folded, nothing of it is sent
	PointWritten   Point = "written"   // the rows are in the transaction, not committed
	PointCommitted Point = "committed" // they are committed, and nobody knows yet
)

// Points lists all of them.
func Points() []Point { return []Point{PointLeading, PointFolded, PointWritten, PointCommitted} }

// Batch tells what one transaction wrote.
type Batch struct {
	Position eventstore.Position
	// Events and Orders count what was projected; both are zero when only the checkpoint moved.
	Events, Orders int
	// Parked counts the orders that this transaction parked.
	Parked int
	// Took is the time from sending the transaction to its confirmation.
	Took time.Duration
}

func (c *Config) withDefaults() (Config, error) {
	d := *c
	var missing error
	require := func(ok bool, name string) {
		if !ok {
			missing = errors.Join(missing, errors.New("projections: config lacks "+name))
		}
	}
	require(d.Log != nil, "Log")
	require(d.Connect != nil, "Connect")
	require(d.Logger != nil, "Logger")
	require(d.Clock != nil, "Clock")

	fallback(&d.BatchEvents, DefaultBatchEvents)
	fallback(&d.BatchBytes, DefaultBatchBytes)
	fallback(&d.CachedOrders, DefaultCachedOrders)
	fallback(&d.CacheBytes, DefaultCacheBytes)
	fallback(&d.ParallelLoads, DefaultParallelLoads)
	fallback(&d.IdleCheckpoint, DefaultIdleCheckpoint)
	fallback(&d.StandbyPoll, DefaultStandbyPoll)
	fallback(&d.KeepAlive, DefaultKeepAlive)
	fallback(&d.WriteTimeout, DefaultWriteTimeout)
	fallback(&d.BackoffFirst, DefaultBackoffFirst)
	fallback(&d.BackoffMost, DefaultBackoffMost)
	if d.OnBatch == nil {
		d.OnBatch = func(Batch) {}
	}
	if d.Passed == nil {
		d.Passed = func(Point) {}
	}
	return d, missing
}

func fallback[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}
