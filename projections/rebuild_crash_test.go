//go:build unix

package projections_test

import (
	"context"
	"errors"
	"github.com/jackc/pgx/v5"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
	"github.com/order-ledger/order-ledger/projections/rebuild"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// What a process that is to be killed is told by its environment.
const (
	crashLog   = "LEDGER_TEST_CRASH_LOG"
	crashURL   = "LEDGER_TEST_CRASH_DATABASE"
	crashSpill = "LEDGER_TEST_CRASH_SPILL"
	crashPoint = "LEDGER_TEST_CRASH_POINT"
)

// flows are what rebuilds are killed in; each goes on from whatever an earlier one left.
func flows() map[string]func(context.Context, *rebuild.Engine) error {
	return map[string]func(context.Context, *rebuild.Engine) error{"whole": wholeFlow, "freeze": freezeFlow}
}

// wholeFlow builds, proves, swaps, goes back and drops.
func wholeFlow(ctx context.Context, e *rebuild.Engine) error {
	if _, err := e.All(ctx, ""); err != nil {
		return err
	}
	if err := e.Rollback(ctx); err != nil {
		return err
	}
	return e.Drop(ctx, "")
}

const frozenSchema = "month_1"

// freezeFlow makes a frozen copy.
func freezeFlow(ctx context.Context, e *rebuild.Engine) error {
	at, err := e.PositionAt(ctx, time.Now().Add(time.Hour))
	if err != nil {
		return err
	}
	if err := e.Freeze(ctx, frozenSchema, at); !errors.Is(err, rebuild.ErrFrozen) {
		return err
	}
	return nil
}

// pointsOf are the points that a flow passes, by passing them.
func pointsOf(tb testing.TB, template string, flow func(context.Context, *rebuild.Engine) error) []rebuild.Point {
	tb.Helper()
	dir, url := tb.TempDir()+"/log", newDatabase(tb)
	if err := os.CopyFS(dir, os.DirFS(template)); err != nil {
		tb.Fatal(err)
	}
	projectOnce(tb, dir, url, newPool(tb, url))
	log, err := node.Open(node.Options{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	defer log.Close()
	var mu sync.Mutex
	passed := make(map[rebuild.Point]bool)
	cfg := refusing(rebuildConfig(tb, log, url, tb.TempDir()))
	cfg.Reached = func(_ context.Context, at rebuild.Point) error {
		mu.Lock()
		defer mu.Unlock()
		passed[at] = true
		return nil
	}
	if err := flow(tb.Context(), newEngine(tb, cfg)); err != nil {
		tb.Fatal(err)
	}
	return slices.Collect(maps.Keys(passed))
}

// refuseOpen makes PostgreSQL refuse some rows.
func refuseOpen(name string) string {
	return "ALTER TABLE " + name + ".orders ADD CONSTRAINT none_open CHECK (dispute_state <> 'OPEN')"
}

// refusing makes tables that refuse the rows that refuseOpen does.
func refusing(cfg rebuild.Config) rebuild.Config {
	create := cfg.Tables.Create
	cfg.Tables.Create = func(ctx context.Context, tx pgx.Tx, name string) error {
		if err := create(ctx, tx, name); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, refuseOpen(name))
		return err
	}
	return cfg
}

// TestPoints_AreAllListed: a point that is not in the list is not tested.
func TestPoints_AreAllListed(t *testing.T) {
	t.Parallel()
	for file, listed := range map[string]int{"config.go": len(projections.Points()), "rebuild/config.go": len(rebuild.Points())} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		declared := 0
		ast.Inspect(parsed, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Point") {
				declared += len(spec.Names)
			}
			return true
		})
		if declared != listed || listed == 0 {
			t.Errorf("%s declares %d points and lists %d", file, declared, listed)
		}
	}
}

// crashLogOf makes a log on disk, with poisoned orders, and closes it.
func crashLogOf(tb testing.TB) (dir, want string) {
	tb.Helper()
	dir = tb.TempDir()
	log, err := node.Open(node.Options{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	w := newWorld(41)
	appendMany(tb, log, w.history(tb, 20, 150))
	appendAll(tb, log, []appended{{stream: w.orders[0].stream, events: []eventData{foreign("OrderTeleported", `{}`, plainMetadata)}}})
	want = project(tb, log, nil)
	if err := log.Close(); err != nil {
		tb.Fatal(err)
	}
	return dir, want
}

// killAt ends this process when it is told to at that point, for the nth time.
func killAt(point string, nth int64) func(string) {
	var passed atomic.Int64
	return func(at string) {
		if at == point && passed.Add(1) == nth {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // nothing more happens
		}
	}
}

// runChild starts this test binary again, as the process that is killed at a point; without one it does its
// work to the end.
func runChild(tb testing.TB, test, dir, url, spill, point string) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), os.Args[0], "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), crashLog+"="+dir, crashURL+"="+url, crashSpill+"="+spill, crashPoint+"="+point)
	out, err := cmd.CombinedOutput()
	if point == "" || strings.HasSuffix(point, ":") {
		if err != nil {
			tb.Fatalf("after the crash: %v\n%s", err, out)
		}
		return
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		tb.Fatalf("it was not killed there: %v\n%s", err, out)
	}
}

// TestRunner_Child is the process that TestRunner_KilledAtEveryPoint starts; by itself it does nothing.
func TestRunner_Child(t *testing.T) {
	dir := os.Getenv(crashLog)
	if dir == "" {
		return
	}
	log, err := node.Open(node.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	url := os.Getenv(crashURL)
	cfg := config(log, url)
	cfg.BatchEvents = 40
	nth := int64(3) // in the middle of the work
	if os.Getenv(crashPoint) == string(projections.PointLeading) {
		nth = 1
	}
	kill := killAt(os.Getenv(crashPoint), nth)
	cfg.Passed = func(p projections.Point) { kill(string(p)) }
	r := start(t, cfg)
	reach(t, log, newPool(t, url))
	r.stop(t)
}

// Whenever a ledger that projects is killed, the next one ends with the rows of an uninterrupted one.
func TestRunner_KilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	template, want := crashLogOf(t)
	for _, point := range projections.Points() {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			dir, url := t.TempDir()+"/log", newDatabase(t)
			if err := os.CopyFS(dir, os.DirFS(template)); err != nil {
				t.Fatal(err)
			}
			runChild(t, "TestRunner_Child", dir, url, "", string(point))
			runChild(t, "TestRunner_Child", dir, url, "", "")
			same(t, "in the end", want, dump(t, newPool(t, url)))
		})
	}
}

// TestRebuild_Child is the process that TestRebuild_KilledAtEveryPoint starts; by itself it does nothing.
func TestRebuild_Child(t *testing.T) {
	dir := os.Getenv(crashLog)
	if dir == "" {
		return
	}
	log, err := node.Open(node.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	name, point, _ := strings.Cut(os.Getenv(crashPoint), ":")
	kill := killAt(point, 1)
	cfg := refusing(rebuildConfig(t, log, os.Getenv(crashURL), os.Getenv(crashSpill)))
	cfg.Reached = func(_ context.Context, at rebuild.Point) error {
		kill(string(at))
		return nil
	}
	if err := flows()[name](t.Context(), newEngine(t, cfg)); err != nil {
		t.Fatal(err)
	}
}

// Whenever the ledger is killed, the next run ends with the rows of an uninterrupted one; the views show
// them at every moment, and nothing is left behind. Some orders are parked, by the fold and by PostgreSQL.
func TestRebuild_KilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	template, _ := crashLogOf(t)
	everywhere := make(map[rebuild.Point]bool)
	for name, flow := range flows() {
		for _, point := range pointsOf(t, template, flow) {
			everywhere[point] = true
			t.Run(name+"/"+string(point), func(t *testing.T) {
				t.Parallel()
				killedAt(t, template, name, point)
			})
		}
	}
	for _, point := range rebuild.Points() {
		if !everywhere[point] {
			t.Errorf("no flow passes point %q", point)
		}
	}
}

func killedAt(t *testing.T, template, flow string, point rebuild.Point) {
	t.Helper()
	dir, spill, url := t.TempDir()+"/log", t.TempDir(), newDatabase(t)
	if err := os.CopyFS(dir, os.DirFS(template)); err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, url)
	projectOnce(t, dir, url, pool)
	want := dump(t, pool)
	if len(parkedOrders(t, pool)) < 2 {
		t.Fatal("nothing was refused")
	}
	runChild(t, "TestRebuild_Child", dir, url, spill, flow+":"+string(point))
	same(t, "right after the crash", want, dump(t, pool))
	runChild(t, "TestRebuild_Child", dir, url, spill, flow+":")
	same(t, "in the end", want, dump(t, pool))
	if flow == "freeze" {
		same(t, "the frozen copy", want, dumpSchema(t, pool, "ledger_data_frozen_"+frozenSchema))
		log, err := node.Open(node.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		if err := newEngine(t, rebuildConfig(t, log, url, spill)).Drop(t.Context(), frozenSchema); err != nil {
			t.Fatal(err)
		}
	}
	nothingLeft(t, pool, spill)
}

func projectOnce(tb testing.TB, dir, url string, pool *pgxpool.Pool) {
	tb.Helper()
	log, err := node.Open(node.Options{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := pool.Exec(tb.Context(), refuseOpen(schema.Live)); err != nil {
		tb.Fatal(err)
	}
	cfg := config(log, url)
	cfg.Fingerprint = ownFingerprint(tb)
	r := start(tb, cfg)
	reach(tb, log, pool)
	r.stop(tb)
	if err := log.Close(); err != nil {
		tb.Fatal(err)
	}
}

// nothingLeft looks for schemas and files that a rebuild made.
func nothingLeft(tb testing.TB, pool *pgxpool.Pool, spill string) {
	tb.Helper()
	var left int
	err := pool.QueryRow(tb.Context(), `SELECT (SELECT count(*) FROM pg_namespace WHERE nspname LIKE $1)
		+ (SELECT count(*) FROM ledger_control.rebuilds) + (SELECT count(*) FROM ledger_control.rebuild_units)`, schema.Live+"\\_%").Scan(&left)
	if err != nil || left != 0 {
		tb.Errorf("%d schemas and rows are left, %v", left, err)
	}
	err = fs.WalkDir(os.DirFS(spill), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			tb.Errorf("file %s is left", path)
		}
		return err
	})
	if err != nil {
		tb.Error(err)
	}
}

var errKilledPostgres = errors.New("PostgreSQL was killed here")

// Whenever PostgreSQL is killed, the same is true.
func TestRebuild_PostgresKilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	appendMany(t, log, newWorld(42).history(t, 20, 150))
	server := pgtest.Server(t)
	url := server.URL()
	applyTo(t, url)
	pool := newPool(t, url)
	if _, err := pool.Exec(t.Context(), refuseOpen(schema.Live)); err != nil {
		t.Fatal(err)
	}
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	want := dump(t, pool)
	if len(parkedOrders(t, pool)) == 0 {
		t.Fatal("nothing was refused")
	}
	for _, point := range rebuild.Points() {
		flow := wholeFlow
		if point == rebuild.PointFreezing {
			flow = freezeFlow
		}
		spill := t.TempDir()
		cfg := refusing(rebuildConfig(t, log, url, spill))
		var killed atomic.Int64 // its process
		cfg.Reached = func(_ context.Context, at rebuild.Point) error {
			if at != point || killed.Load() != 0 {
				return nil
			}
			pid, err := server.PID()
			if err != nil {
				return err
			}
			if !killed.CompareAndSwap(0, int64(pid)) {
				return nil
			}
			return errors.Join(errKilledPostgres, syscall.Kill(pid, syscall.SIGKILL))
		}
		if err := flow(t.Context(), newEngine(t, cfg)); err == nil || killed.Load() == 0 {
			t.Fatalf("%s: it was not killed there: %v", point, err)
		}
		cfg.Reached = nil
		eventually(t, "PostgreSQL to be back after "+string(point), func() bool {
			if pid, err := server.PID(); err != nil || int64(pid) == killed.Load() {
				return false
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			pool.Reset()
			return pool.Ping(ctx) == nil
		})
		same(t, "right after the crash at "+string(point), want, dump(t, pool))
		if err := flow(t.Context(), newEngine(t, cfg)); err != nil {
			t.Fatalf("after the crash at %s: %v", point, err)
		}
		same(t, "in the end, after "+string(point), want, dump(t, pool))
		if point == rebuild.PointFreezing {
			if err := newEngine(t, cfg).Drop(t.Context(), frozenSchema); err != nil {
				t.Fatal(err)
			}
		}
		nothingLeft(t, pool, spill)
	}
	again := start(t, config(log, url))
	reach(t, log, pool)
	again.stop(t)
	if st := again.Status(t.Context()); st.Role == projections.Stale {
		t.Errorf("the runner is %s", st.Role)
	}
}
