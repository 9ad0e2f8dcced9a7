//go:build unix

package projections_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
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
	if err := e.Rollback(ctx, true); err != nil {
		return err
	}
	return e.Drop(ctx, "")
}

const frozenSchema = "month_1"

// freezeFlow makes a frozen copy.
func freezeFlow(ctx context.Context, e *rebuild.Engine) error {
	if err := e.FreezeRecorded(ctx, frozenSchema, day.AddDate(10, 0, 0)); !errors.Is(err, rebuild.ErrFrozen) {
		return err
	}
	return nil
}

// pointsOf are the points that a flow passes, by passing them.
func pointsOf(tb testing.TB, projected projectedLog, flow string) []rebuild.Point {
	tb.Helper()
	var mu sync.Mutex
	passed := make(map[rebuild.Point]bool)
	flowFrom(tb, flow, projected.copyLog(tb), projected.copyDatabase(tb), tb.TempDir(), func(at rebuild.Point) {
		mu.Lock()
		defer mu.Unlock()
		passed[at] = true
	})
	return slices.Collect(maps.Keys(passed))
}

// projectedLog is a log on disk and a database that it was projected into, of which tests get copies: projecting it for
// each of them would take most of their time.
type projectedLog struct{ dir string }

func (p projectedLog) copyLog(tb testing.TB) (dir string) {
	tb.Helper()
	dir = tb.TempDir() + "/log"
	if err := os.CopyFS(dir, os.DirFS(p.dir)); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// copyDatabase makes a copy; the tables refuse some rows, and so some orders are parked.
func (p projectedLog) copyDatabase(tb testing.TB) (url string) {
	tb.Helper()
	return pgtest.Prepared(tb, "projected "+p.dir, func(ctx context.Context, conn *pgx.Conn) error {
		if err := migrate(ctx, conn); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, refuseOpen(schema.Live)); err != nil {
			return err
		}
		log, err := node.Open(node.Options{Dir: p.dir})
		if err != nil {
			return err
		}
		defer log.Close()
		head, _, err := log.Head(ctx)
		if err != nil {
			return err
		}
		cfg := config(log, conn.Config().ConnString())
		if err := projections.CatchUp(ctx, cfg, head); err != nil {
			return err
		}
		live, err := cfg.Connect(ctx)
		if err != nil {
			return err
		}
		defer live.Close(ctx)
		return fingerprint.Store(ctx, live, ownFingerprint(tb))
	})
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

// TestPoints_AreAllListed: a point that is not in the list is not tested, and one that nothing passes tests nothing.
func TestPoints_AreAllListed(t *testing.T) {
	t.Parallel()
	for dir, listed := range map[string][]string{".": texts(projections.Points()), "rebuild": texts(rebuild.Points())} {
		declared, passed := pointsIn(t, dir)
		if diff := cmp.Diff(slices.Sorted(maps.Values(declared)), slices.Sorted(slices.Values(listed))); diff != "" || len(listed) == 0 {
			t.Errorf("%s (-declared +listed):\n%s", dir, diff)
		}
		for name := range declared {
			if !passed[name] {
				t.Errorf("%s: nothing passes %s", dir, name)
			}
		}
	}
}

func texts[P ~string](points []P) []string {
	all := make([]string, 0, len(points))
	for _, p := range points {
		all = append(all, string(p))
	}
	return all
}

// pointsIn are the points that a package declares, wherever it does, and those that are used where work is done.
func pointsIn(tb testing.TB, dir string) (declared map[string]string, passed map[string]bool) {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		tb.Fatal(err)
	}
	declared, passed = make(map[string]string), make(map[string]bool)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			tb.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if kind, ok := n.Type.(*ast.Ident); !ok || kind.Name != "Point" {
					break
				}
				for i, at := range n.Names {
					text, err := strconv.Unquote(n.Values[i].(*ast.BasicLit).Value)
					if err != nil {
						tb.Fatal(err)
					}
					declared[at.Name] = text
				}
				return false
			case *ast.FuncDecl:
				return n.Name.Name != "Points"
			case *ast.Ident:
				passed[n.Name] = true
			}
			return true
		})
	}
	return declared, passed
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

// killChild starts this test binary again, as the process that is killed at a point.
func killChild(tb testing.TB, test, dir, url, spill, point string) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), os.Args[0], "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), crashLog+"="+dir, crashURL+"="+url, crashSpill+"="+spill, crashPoint+"="+point)
	out, err := cmd.CombinedOutput()
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
	nth := int64(3) // in the middle of the work
	if os.Getenv(crashPoint) == string(projections.PointLeading) {
		nth = 1
	}
	kill := killAt(os.Getenv(crashPoint), nth)
	projectFrom(t, dir, os.Getenv(crashURL), func(p projections.Point) { kill(string(p)) })
}

// projectFrom opens the log, projects all of it, and closes it.
func projectFrom(tb testing.TB, dir, url string, passed func(projections.Point)) {
	tb.Helper()
	log := openLog(tb, dir)
	cfg := config(log, url)
	cfg.BatchEvents, cfg.Passed = 40, passed
	r := start(tb, cfg)
	reach(tb, log, newPool(tb, url))
	r.stop(tb)
	if err := log.Close(); err != nil {
		tb.Fatal(err)
	}
}

// openLog opens a log on disk, which the caller closes.
func openLog(tb testing.TB, dir string) *node.Node {
	tb.Helper()
	log, err := node.Open(node.Options{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	return log
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
			killChild(t, "TestRunner_Child", dir, url, "", string(point))
			projectFrom(t, dir, url, nil)
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
	name, point, _ := strings.Cut(os.Getenv(crashPoint), ":")
	kill := killAt(point, 1)
	flowFrom(t, name, dir, os.Getenv(crashURL), os.Getenv(crashSpill), func(at rebuild.Point) { kill(string(at)) })
}

// flowFrom opens the log, does all that a flow does, and closes it.
func flowFrom(tb testing.TB, name, dir, url, spill string, passed func(rebuild.Point)) {
	tb.Helper()
	log := openLog(tb, dir)
	cfg := refusing(rebuildConfig(tb, log, url, spill))
	cfg.Reached = func(_ context.Context, at rebuild.Point) error {
		passed(at)
		return nil
	}
	if err := flows()[name](tb.Context(), newEngine(tb, cfg)); err != nil {
		tb.Fatal(err)
	}
	if err := log.Close(); err != nil {
		tb.Fatal(err)
	}
}

// Whenever the ledger is killed, the next run ends with the rows of an uninterrupted one; the views show
// them at every moment, and nothing is left behind. Some orders are parked, by the fold and by PostgreSQL.
func TestRebuild_KilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	dir, _ := crashLogOf(t)
	projected := projectedLog{dir}
	pool := newPool(t, projected.copyDatabase(t))
	want := dump(t, pool)
	if len(parkedOrders(t, pool)) < 2 {
		t.Fatal("nothing was refused")
	}
	everywhere := make(map[rebuild.Point]bool)
	for flow := range flows() {
		for _, point := range pointsOf(t, projected, flow) {
			everywhere[point] = true
			t.Run(flow+"/"+string(point), func(t *testing.T) {
				t.Parallel()
				killedAt(t, projected, want, flow, point)
			})
		}
	}
	for _, point := range rebuild.Points() {
		if !everywhere[point] {
			t.Errorf("no flow passes point %q", point)
		}
	}
}

func killedAt(t *testing.T, projected projectedLog, want, flow string, point rebuild.Point) {
	t.Helper()
	dir, spill, url := projected.copyLog(t), t.TempDir(), projected.copyDatabase(t)
	pool := newPool(t, url)
	killChild(t, "TestRebuild_Child", dir, url, spill, flow+":"+string(point))
	same(t, "right after the crash", want, dump(t, pool))
	flowFrom(t, flow, dir, url, spill, func(rebuild.Point) {})
	same(t, "in the end", want, dump(t, pool))
	if flow == "freeze" {
		same(t, "the frozen copy", want, dumpSchema(t, pool, "ledger_data_frozen_"+frozenSchema))
		log := openLog(t, dir)
		defer log.Close()
		if err := newEngine(t, rebuildConfig(t, log, url, spill)).Drop(t.Context(), frozenSchema); err != nil {
			t.Fatal(err)
		}
	}
	nothingLeft(t, pool, spill)
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

// Whenever PostgreSQL is killed, the same is true. It takes a while to come back each time: several servers share the points.
func TestRebuild_PostgresKilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	const servers = 4
	for i := range servers {
		t.Run(fmt.Sprintf("Server%d", i+1), func(t *testing.T) {
			t.Parallel()
			var points []rebuild.Point
			for j, point := range rebuild.Points() {
				if j%servers == i {
					points = append(points, point)
				}
			}
			postgresKilledAt(t, points)
		})
	}
}

func postgresKilledAt(t *testing.T, points []rebuild.Point) {
	t.Helper()
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
	for _, point := range points {
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

// Whenever PostgreSQL is killed under the runner that leads, it goes on by itself where the committed rows end: nothing
// is missing and nothing is there twice. Events come in all the time.
func TestRunner_PostgresKilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	server := pgtest.Server(t)
	url := server.URL()
	applyTo(t, url)
	pool := newPool(t, url)
	w := newWorld(43)
	w.rich = true
	appendMany(t, log, w.history(t, 10, 60))

	var next atomic.Pointer[projections.Point] // where to kill, once
	var killed atomic.Int64                    // processes
	cfg := config(log, url)
	cfg.BatchEvents = 20
	cfg.Passed = func(at projections.Point) {
		point := next.Load()
		if point == nil || at != *point || !next.CompareAndSwap(point, nil) {
			return
		}
		pid, err := server.PID()
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err != nil {
			t.Errorf("kill PostgreSQL: %v", err)
		}
		killed.Add(1)
	}
	r := start(t, cfg)
	reach(t, log, pool)
	for i, point := range projections.Points() {
		next.Store(&point)
		if point == projections.PointLeading { // passed by the next session
			killRunnersOf(t, pool)
		}
		for _, a := range w.history(t, 2, 40) {
			appendAll(t, log, []appended{a})
		}
		eventually(t, "PostgreSQL to be killed at "+string(point), func() bool { return killed.Load() == int64(i+1) })
		eventually(t, "the views to be back after "+string(point), func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			pool.Reset()
			head, _, err := log.Head(ctx)
			if err != nil {
				return false
			}
			c, err := checkpoint.Read(ctx, pool)
			return err == nil && c.Reached(head)
		})
		agree(t, pool, oracle{events: readTold(t, log)})
	}
	r.stop(t)
	same(t, "in the end", project(t, log, nil), dump(t, pool))
}

// killRunnersOf ends all connections but those of the pool.
func killRunnersOf(tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()
	const sql = `SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = 1279607879 AND l.objid = 1
		AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`
	var n int
	if err := pool.QueryRow(tb.Context(), sql).Scan(&n); err != nil || n != 1 {
		tb.Fatalf("%d leaders were found, %v", n, err)
	}
}

// TestRebuild_HoldingChild is the process of TestRebuild_OnlyOneProcessAtATime that does not let go; by itself it does nothing.
func TestRebuild_HoldingChild(t *testing.T) {
	dir := os.Getenv(crashLog)
	if dir == "" {
		return
	}
	log, err := node.Open(node.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	cfg := rebuildConfig(t, log, os.Getenv(crashURL), os.Getenv(crashSpill))
	cfg.Reached = func(ctx context.Context, at rebuild.Point) error {
		if at == rebuild.PointUnitLoaded {
			os.Stdout.WriteString("holding\n")
			<-ctx.Done() // until it is killed
		}
		return nil
	}
	_ = newEngine(t, cfg).Run(t.Context())
}

// A second process that rebuilds is told that one is at work; when that is killed, the second goes on with its work.
func TestRebuild_OnlyOneProcessAtATime(t *testing.T) {
	t.Parallel()
	template, want := crashLogOf(t)
	url, spill := newDatabase(t), t.TempDir()
	pool := newPool(t, url)
	dirs := [2]string{t.TempDir() + "/log", t.TempDir() + "/log"}
	for _, dir := range dirs { // a log has one process; copies of it are the same log
		if err := os.CopyFS(dir, os.DirFS(template)); err != nil {
			t.Fatal(err)
		}
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRebuild_HoldingChild$")
	child.Env = append(os.Environ(), crashLog+"="+dirs[0], crashURL+"="+url, crashSpill+"="+spill)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	holds := false
	for !holds && lines.Scan() {
		holds = lines.Text() == "holding"
	}
	log := openLog(t, dirs[1])
	defer log.Close()
	e := newEngine(t, rebuildConfig(t, log, url, spill))
	var verbs sync.WaitGroup // each is patient for a while
	for name, verb := range map[string]func(*rebuild.Engine) error{
		"run": func(e *rebuild.Engine) error { return e.Run(t.Context()) }, "swap": func(e *rebuild.Engine) error { return e.Swap(t.Context(), "") },
		"rollback": func(e *rebuild.Engine) error { return e.Rollback(t.Context(), true) }, "drop": func(e *rebuild.Engine) error { return e.Drop(t.Context(), "") },
	} {
		verbs.Go(func() {
			err := verb(newEngine(t, rebuildConfig(t, log, url, spill)))
			if !holds || !errors.Is(err, rebuild.ErrBusy) || !strings.Contains(err.Error(), "another rebuild is at work") {
				t.Errorf("%s beside another process, which works: %t: %v", name, holds, err)
			}
		})
	}
	verbs.Wait()
	if sets, err := e.Status(t.Context()); err != nil || len(sets) != 1 || sets[0].Stage != rebuild.Loading || sets[0].Loaded == 0 {
		t.Errorf("the status beside it: %+v, %v", sets, err)
	}
	if w, err := e.AtWork(t.Context()); err != nil || w == nil || w.PID != child.Process.Pid || w.Progress == nil || w.Progress.Stage != string(rebuild.Loading) {
		t.Errorf("at work beside it: %+v, %v", w, err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	eventually(t, "the work of the killed one to be none", func() bool {
		w, err := e.AtWork(t.Context())
		return err == nil && w == nil
	})
	if err := e.Run(t.Context()); err != nil {
		t.Fatalf("after the other was killed: %v", err)
	}
	same(t, "what both made", want, dumpSchema(t, pool, besideNext))
}
