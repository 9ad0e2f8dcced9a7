package projections_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/detail"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// deadline bounds every wait of a test.
const deadline = time.Minute

// newLog opens an embedded node that keeps its files in memory.
func newLog(tb testing.TB) *node.Node {
	tb.Helper()
	log, err := node.Open(node.Options{Dir: "/events", FS: vfs.NewMem()})
	if err != nil {
		tb.Fatalf("open the log: %v", err)
	}
	tb.Cleanup(func() {
		if err := log.Close(); err != nil {
			tb.Errorf("close the log: %v", err)
		}
	})
	return log
}

// newDatabase makes an empty database with the schema and returns its URL.
func newDatabase(tb testing.TB) string {
	tb.Helper()
	return pgtest.Prepared(tb, "ledger", migrate)
}

func migrate(ctx context.Context, conn *pgx.Conn) error {
	_, err := migrations.Apply(ctx, conn, migrations.Options{})
	return err
}

func newPool(tb testing.TB, url string) *pgxpool.Pool {
	tb.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		tb.Fatalf("read the URL: %v", err)
	}
	schema.Use(config.ConnConfig, schema.Live)
	pool, err := pgxpool.NewWithConfig(tb.Context(), config)
	if err != nil {
		tb.Fatalf("connect: %v", err)
	}
	tb.Cleanup(pool.Close)
	return pool
}

func connectTo(url string) projections.Connect {
	return func(ctx context.Context) (*pgx.Conn, error) { return schema.Connect(ctx, url, schema.Live) }
}

// config is a runner's configuration with short pauses.
func config(log projections.Log, url string) projections.Config {
	return projections.Config{
		Log: log, Connect: connectTo(url), Logger: slog.New(slog.DiscardHandler), Clock: time.Now,
		IdleCheckpoint: 5 * time.Millisecond, StandbyPoll: 5 * time.Millisecond, KeepAlive: 20 * time.Millisecond,
		BackoffFirst: time.Millisecond, BackoffMost: 20 * time.Millisecond,
	}
}

// running is a runner that runs until the test ends or stop is called.
type running struct {
	*projections.Runner
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

func start(tb testing.TB, cfg projections.Config) *running {
	tb.Helper()
	runner, err := projections.NewRunner(cfg)
	if err != nil {
		tb.Fatalf("make a runner: %v", err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	r := &running{Runner: runner, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = runner.Run(ctx)
	}()
	tb.Cleanup(func() { r.stop(tb) })
	return r
}

// stop ends the runner and waits for it.
func (r *running) stop(tb testing.TB) {
	tb.Helper()
	r.cancel()
	select {
	case <-r.done:
	case <-time.After(deadline):
		tb.Fatal("the runner does not stop")
	}
	if r.err != nil {
		tb.Errorf("the runner ended with %v", r.err)
	}
}

// reach waits until the views stand at the end of the log.
func reach(tb testing.TB, log eventstore.Reader, pool *pgxpool.Pool) {
	tb.Helper()
	head, written, err := log.Head(tb.Context())
	if err != nil || !written {
		tb.Fatalf("head of the log: %v, %v", written, err)
	}
	reachPosition(tb, pool, head)
}

func reachPosition(tb testing.TB, pool *pgxpool.Pool, p eventstore.Position) {
	tb.Helper()
	ctx, cancel := context.WithTimeoutCause(tb.Context(), deadline, errors.New("the views do not follow"))
	defer cancel()
	if err := waitFor(ctx, pool, p); err != nil {
		tb.Fatal(err)
	}
}

// waitFor returns when the views show everything up to p. It asks again while the database does not answer.
func waitFor(ctx context.Context, pool *pgxpool.Pool, p eventstore.Position) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := checkpoint.Read(ctx, pool)
		if err == nil && c.Reached(p) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the views stand at %s, not at %s: %w", c, p, errors.Join(context.Cause(ctx), err))
		case <-tick.C:
		}
	}
}

// eventually waits for a condition.
func eventually(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(deadline)
	for !condition() {
		select {
		case <-tick.C:
		case <-end:
			tb.Fatalf("waited in vain for: %s", what)
		}
	}
}

// wipe takes a database back to how migrations leave it.
func wipe(tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()
	const sql = `TRUNCATE ledger_data.orders, ledger_data.test_orders, ledger_data.payouts, ledger_data.payments,
		ledger_data.refunds, ledger_data.disputes, ledger_data.dispute_timeline, ledger_data.order_history,
		ledger_data.quarantine, ledger_data.parked_orders, ledger_data.journal_lines, ledger_data.period_changes;
		UPDATE ledger_data.checkpoint SET commit_position = NULL, prepare_position = NULL`
	if _, err := pool.Exec(tb.Context(), sql); err != nil {
		tb.Fatal(err)
	}
}

// dump renders every row of every table, the checkpoint's epoch and time aside. Equal texts are equal
// databases.
func dump(tb testing.TB, pool *pgxpool.Pool) string {
	tb.Helper()
	return dumpSchema(tb, pool, schema.Live)
}

// dumpSchema is dump for the tables of any schema.
func dumpSchema(tb testing.TB, pool *pgxpool.Pool, name string) string {
	tb.Helper()
	var b strings.Builder
	for _, table := range []string{
		"orders", "test_orders", "payouts", "payments", "refunds", "disputes", "dispute_timeline",
		"order_history", "quarantine", "parked_orders", "journal_lines", "period_changes",
		"statements", "statement_lines", "statement_results", "statement_passes", "statement_bookings",
	} {
		dumpQuery(tb, pool, &b, "SELECT '"+table+"', t::text FROM "+name+"."+table+" t ORDER BY t::text COLLATE \"C\"")
	}
	dumpQuery(tb, pool, &b, "SELECT 'checkpoint', coalesce(commit_position || '/' || prepare_position, 'none') FROM "+name+".checkpoint")
	return b.String()
}

func dumpQuery(tb testing.TB, pool *pgxpool.Pool, b *strings.Builder, sql string) {
	tb.Helper()
	rows, err := pool.Query(tb.Context(), sql)
	if err != nil {
		tb.Fatal(err)
	}
	var table, row string
	if _, err := pgx.ForEachRow(rows, []any{&table, &row}, func() error {
		b.WriteString(table + " " + row + "\n")
		return nil
	}); err != nil {
		tb.Fatal(err)
	}
}

// Short names for what tests write often.
type (
	ctxt      = context.Context
	messages  = iter.Seq2[eventstore.Message, error]
	pgxBatch  = pgx.Batch
	eventData = eventstore.EventData
)

// positionLike is a bare number in the text of a row.
var positionLike = regexp.MustCompile(`\b\d+\b`)

var errBroken = errors.New("the subscription broke")

func after(d time.Duration) <-chan time.Time { return time.After(d) }

func isMismatch(err error) bool { return errors.Is(err, projections.ErrCheckpointMismatch) }

func newConn(tb testing.TB, url string) *pgx.Conn {
	tb.Helper()
	conn, err := schema.Connect(tb.Context(), url, schema.Live)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close(context.WithoutCancel(tb.Context())) })
	return conn
}

var (
	equateEmpty = cmpopts.EquateEmpty()
	sortLines   = cmpopts.SortSlices(func(a, b string) bool { return a < b })
)

// viewsSay reads an order with all its parts from the views.
func viewsSay(tb testing.TB, pool *pgxpool.Pool, id string) detail.Order {
	tb.Helper()
	var said detail.Order
	err := pgx.BeginTxFunc(tb.Context(), pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		var err error
		said, err = detail.Read(tb.Context(), tx, id)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return said
}
