//go:build unix

package projections_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
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

// wholeFlow passes all points, from whatever an earlier one left.
func wholeFlow(ctx context.Context, e *rebuild.Engine) error {
	if _, err := e.All(ctx, ""); err != nil {
		return err
	}
	if err := e.Rollback(ctx); err != nil {
		return err
	}
	return e.Drop(ctx, "")
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
	if point == "" {
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
	kill := killAt(os.Getenv(crashPoint), 1)
	cfg := rebuildConfig(t, log, os.Getenv(crashURL), os.Getenv(crashSpill))
	cfg.Reached = func(_ context.Context, at rebuild.Point) error {
		kill(string(at))
		return nil
	}
	if err := wholeFlow(t.Context(), newEngine(t, cfg)); err != nil {
		t.Fatal(err)
	}
}

// Whenever the ledger is killed, the next run ends with the rows of an uninterrupted one; the views show
// them at every moment, and nothing is left behind.
func TestRebuild_KilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	template, want := crashLogOf(t)
	for _, point := range rebuild.Points() {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			dir, spill, url := t.TempDir()+"/log", t.TempDir(), newDatabase(t)
			if err := os.CopyFS(dir, os.DirFS(template)); err != nil {
				t.Fatal(err)
			}
			pool := newPool(t, url)
			projectOnce(t, dir, url, pool)
			runChild(t, "TestRebuild_Child", dir, url, spill, string(point))
			same(t, "right after the crash", want, dump(t, pool))
			runChild(t, "TestRebuild_Child", dir, url, spill, "")
			same(t, "in the end", want, dump(t, pool))
			nothingLeft(t, pool, spill)
		})
	}
}

func projectOnce(tb testing.TB, dir, url string, pool *pgxpool.Pool) {
	tb.Helper()
	log, err := node.Open(node.Options{Dir: dir})
	if err != nil {
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
	appendMany(t, log, newWorld(42).history(t, 15, 100))
	want := project(t, log, nil)
	server := pgtest.Server(t)
	url := server.URL()
	applyTo(t, url)
	pool := newPool(t, url)
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	for _, point := range rebuild.Points() {
		spill := t.TempDir()
		cfg := rebuildConfig(t, log, url, spill)
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
		if err := wholeFlow(t.Context(), newEngine(t, cfg)); err == nil || killed.Load() == 0 {
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
		if err := wholeFlow(t.Context(), newEngine(t, cfg)); err != nil {
			t.Fatalf("after the crash at %s: %v", point, err)
		}
		same(t, "in the end, after "+string(point), want, dump(t, pool))
		nothingLeft(t, pool, spill)
	}
	again := start(t, config(log, url))
	reach(t, log, pool)
	again.stop(t)
	if st := again.Status(t.Context()); st.Role == projections.Stale {
		t.Errorf("the runner is %s", st.Role)
	}
}
