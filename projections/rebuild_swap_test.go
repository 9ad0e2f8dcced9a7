package projections_test

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/rebuild"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// statements notes what is said to PostgreSQL, and the points that are passed meanwhile.
type statements struct {
	mu   sync.Mutex
	said []string
}

func (s *statements) note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, text)
}

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	s.note(data.SQL)
	return ctx
}

func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestRebuild_SwapKeepsReadersShortly is why readers wait for a swap, and for the way back, no longer than they may,
// however large the tables are: whatever takes locks that readers wait for is one statement, the last one, which has
// that much time or gives way; it changes names in catalogs, reads and writes no table of rows, and locks no more than
// the views. Before it is committed readers see the old rows, after it the new ones.
func TestRebuild_SwapKeepsReadersShortly(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(46).history(t, 10, 80))
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	files := tableFiles(t, pool)

	var said statements
	cfg := rebuildConfig(t, log, url, t.TempDir())
	cfg.ReadersWait = rebuild.DefaultReadersWait
	cfg.Connect = func(ctx context.Context, name string) (*pgx.Conn, error) {
		config, err := pgx.ParseConfig(url)
		if err != nil {
			return nil, err
		}
		schema.Use(config, name)
		config.Tracer = &said
		return pgx.ConnectConfig(ctx, config)
	}
	cfg.Reached = func(_ context.Context, at rebuild.Point) error {
		said.note("passed " + string(at))
		if at == rebuild.PointSwapping || at == rebuild.PointRollingBack {
			onlyViewsAreLocked(t, pool)
		}
		return nil
	}
	e := newEngine(t, cfg)
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := tableFilesOf(t, pool, besideNext)
	if err := e.Swap(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	lastOfItsTransaction(t, said.said, rebuild.PointSwapping)
	if diff := cmp.Diff(next, tableFiles(t, pool)); diff != "" {
		t.Errorf("tables were written anew by the swap:\n%s", diff)
	}
	if err := e.Rollback(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	lastOfItsTransaction(t, said.said, rebuild.PointRollingBack)
	if diff := cmp.Diff(files, tableFiles(t, pool)); diff != "" {
		t.Errorf("tables were written anew by the way back:\n%s", diff)
	}
}

// catalogOnly matches what an exchange may be made of.
var catalogOnly = regexp.MustCompile(`^(ALTER SCHEMA \S+ RENAME TO \S+|CREATE OR REPLACE (FUNCTION|VIEW) )`)

// lastOfItsTransaction looks at the last transaction that passed the point.
func lastOfItsTransaction(tb testing.TB, said []string, point rebuild.Point) {
	tb.Helper()
	at := len(said) - 1
	for at >= 0 && said[at] != "passed "+string(point) {
		at--
	}
	if at < 2 || at+1 >= len(said) {
		tb.Fatalf("%s was not passed", point)
	}
	if !strings.EqualFold(said[at+1], "commit") {
		tb.Errorf("after everything was exchanged came %q", said[at+1])
	}
	const wait = "SET LOCAL statement_timeout = 50"
	if rebuild.DefaultReadersWait != 50*time.Millisecond || said[at-2] != wait {
		tb.Errorf("before the exchange came %q, want %q", said[at-2], wait)
	}
	block := said[at-1]
	if !strings.HasPrefix(block, "DO ") {
		tb.Fatalf("the exchange is not one statement: %.200s", block)
	}
	exchanged := 0
	done := executed.FindAllStringSubmatch(block, -1)
	if last := done[len(done)-1][1]; last != "SET LOCAL statement_timeout = 0" {
		tb.Errorf("the commit of the exchange can be canceled: the last of it is %.200s", last)
	}
	for _, one := range done[:len(done)-1] {
		exchanged++
		if !catalogOnly.MatchString(one[1]) {
			tb.Errorf("the exchange does more than change names: %.200s", one[1])
		}
	}
	if exchanged < 20 {
		tb.Errorf("%d statements were found in the block", exchanged)
	}
	// What was said before it since the transaction began takes no lock that readers of the views wait for.
	for i := at - 2; i >= 0 && !strings.HasPrefix(said[i], "begin"); i-- {
		if found := regexp.MustCompile(`(?i)^\s*(ALTER|DROP|TRUNCATE|CREATE|LOCK|VACUUM|CLUSTER|REINDEX)\b`).FindString(said[i]); found != "" {
			tb.Errorf("before the exchange came %.200s", said[i])
		}
	}
}

// executed matches the statements of a block.
var executed = regexp.MustCompile(`EXECUTE \$statement\$((?s:.*?))\$statement\$`)

// onlyViewsAreLocked looks from outside at an exchange that is not committed.
func onlyViewsAreLocked(tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()
	rows, err := pool.Query(tb.Context(), `SELECT n.nspname || '.' || c.relname || ' ' || c.relkind::text
		FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE l.mode = 'AccessExclusiveLock' AND l.granted AND n.nspname <> 'pg_catalog'
		  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	if err != nil {
		tb.Fatal(err)
	}
	locked, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		tb.Fatal(err)
	}
	if len(locked) == 0 {
		tb.Error("nothing is locked: this was not looked at in time")
	}
	for _, l := range locked {
		if !strings.HasPrefix(l, "ledger.") || !strings.HasSuffix(l, " v") {
			tb.Errorf("%s is locked against readers", l)
		}
	}
}

func tableFiles(tb testing.TB, pool *pgxpool.Pool) []string {
	tb.Helper()
	return tableFilesOf(tb, pool, schema.Live)
}

// tableFilesOf names the files of the tables and indexes of a schema.
func tableFilesOf(tb testing.TB, pool *pgxpool.Pool, name string) []string {
	tb.Helper()
	rows, err := pool.Query(tb.Context(), `SELECT relname || ' ' || pg_relation_filenode(oid) FROM pg_class
		WHERE relnamespace = $1::text::regnamespace AND relkind IN ('r', 'i')`, name)
	if err != nil {
		tb.Fatal(err)
	}
	files, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		tb.Fatal(err)
	}
	slices.Sort(files)
	return files
}

// After the way back the live tables are behind those that were live since: whoever projects brings them up, when nobody does the
// next rebuild itself, and it says so when somebody ought to and does not.
func TestRebuild_BringsLiveTablesUpThatAreBehind(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(35)
	appendMany(t, log, w.history(t, 5, 20))
	runner := config(log, url)
	runner.Fingerprint = ownFingerprint(t)
	r := start(t, runner)
	reach(t, log, pool)
	cfg := rebuildConfig(t, log, url, t.TempDir())
	behind := func() {
		t.Helper()
		if _, err := newEngine(t, cfg).All(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		appendMany(t, log, w.history(t, 5, 20))
		reach(t, log, pool)
		r.stop(t)
		if err := newEngine(t, cfg).Rollback(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	behind()
	holder := newConn(t, url)
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock(1279607879, 1)"); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	later := cfg
	later.Clock = func() time.Time { return time.Now().Add(time.Duration(asked.Add(1)) * time.Minute) }
	if _, err := newEngine(t, later).All(t.Context(), ""); !errors.Is(err, rebuild.ErrLiveBehind) {
		t.Fatalf("with a projector that does not move: %v", err)
	}
	if err := holder.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := newEngine(t, cfg).All(t.Context(), ""); err != nil {
		t.Fatalf("with nobody who projects: %v", err)
	}
	r = start(t, runner)
	behind()
	r = start(t, runner)
	if _, err := newEngine(t, cfg).All(t.Context(), ""); err != nil {
		t.Fatalf("with a projector: %v", err)
	}
	reach(t, log, pool)
	r.stop(t)
	same(t, "swapped again", project(t, log, nil), dump(t, pool))
}

// The way back to tables of another version of the program is taken only on demand, as no view is served then; and nobody waits for
// these tables to come to where the others are.
func TestRebuild_AfterTheWayBackToAnotherVersion(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(36)
	appendMany(t, log, w.history(t, 5, 20))
	cfg := rebuildConfig(t, log, url, t.TempDir())
	runner := config(log, url)
	runner.Fingerprint = otherProgram(cfg).Fingerprint
	earlier := start(t, runner)
	reach(t, log, pool)
	earlier.stop(t)
	if _, err := newEngine(t, cfg).All(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	runner.Fingerprint = cfg.Fingerprint
	r := start(t, runner)
	appendMany(t, log, w.history(t, 5, 20))
	reach(t, log, pool)

	e := newEngine(t, cfg)
	var refused *rebuild.RetiredStaleError
	if err := e.Rollback(t.Context(), false); !errors.As(err, &refused) || !strings.Contains(err.Error(), "fold changed") {
		t.Fatalf("the way back to another version: %v", err)
	}
	if err := e.Rollback(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the runner to see whose tables these are", func() bool { return r.Role() == projections.Stale })
	if _, err := e.Verify(t.Context()); !errors.Is(err, rebuild.ErrLiveStale) || !strings.Contains(err.Error(), "`ledger rebuild run`") {
		t.Errorf("compared with tables that nobody brings up: %v", err)
	}
	if plan, err := e.Plan(t.Context()); err != nil || !strings.Contains(plan.BeginsAnew, "another version") || plan.Continues != "" {
		t.Errorf("the plan: %+v, %v", plan, err)
	}
	if proof, err := e.All(t.Context(), ""); err != nil || !proof.Compared || !proof.Equal() {
		t.Fatalf("%+v, %v", proof, err)
	}
	reach(t, log, pool)
	r.stop(t)
	same(t, "swapped again", project(t, log, nil), dump(t, pool))
}

// TestSwap_OutlivesTheConnectionOfAnAttempt: an attempt may cost its connection, as when a limit runs out just as it ends. The next
// one has another, and the lock of rebuilds is held all the time.
func TestSwap_OutlivesTheConnectionOfAnAttempt(t *testing.T) {
	t.Parallel()
	log, at := newLog(t), newDatabase(t)
	pool := newPool(t, at)
	start(t, config(log, at))
	appendAll(t, log, newWorld(43).history(t, 5, 40))
	reach(t, log, pool)
	cfg := rebuildConfig(t, log, named(t, at, "rebuild"), t.TempDir())
	attempts := 0
	cfg.Reached = func(ctx context.Context, p rebuild.Point) error {
		if p != rebuild.PointSwapping {
			return nil
		}
		if attempts++; attempts > 1 {
			return nil
		}
		_, err := pool.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rebuild' AND state = 'idle in transaction'")
		return errors.Join(migrations.ErrReadersBusy, err)
	}
	e := newEngine(t, cfg)
	if _, err := e.All(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if attempts != 2 || e.Exchanged().Attempts != 2 {
		t.Errorf("%d attempts, %d told", attempts, e.Exchanged().Attempts)
	}
}

// TestSwap_SaysThatItIsDone: whoever asks for a swap again, as its answer was lost with PostgreSQL, hears that it is done, and not that there is
// nothing and all is to be built anew.
func TestSwap_SaysThatItIsDone(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(56).history(t, 5, 40))
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	lost := errors.New("the answer is lost")
	cfg := rebuildConfig(t, log, url, t.TempDir())
	cfg.Reached = func(_ context.Context, at rebuild.Point) error {
		if at == rebuild.PointSwapped {
			return lost
		}
		return nil
	}
	e := newEngine(t, cfg)
	if err := e.Swap(t.Context(), ""); !errors.Is(err, rebuild.ErrNone) {
		t.Errorf("before anything is built: %v", err)
	}
	if _, err := e.All(t.Context(), ""); !errors.Is(err, lost) {
		t.Fatal(err)
	}
	if err := e.Swap(t.Context(), ""); !errors.Is(err, rebuild.ErrSwapped) {
		t.Errorf("after a swap that was not heard of: %v", err)
	}
}
