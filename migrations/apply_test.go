package migrations_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// migrated returns a connection to a database with the newest schema.
func migrated(t *testing.T) *pgx.Conn {
	t.Helper()
	return connect(t, pgtest.Prepared(t, "migrated", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := migrations.Apply(ctx, conn, migrations.Options{})
		return err
	}))
}

func ledgerSet(t *testing.T) migrations.Set {
	t.Helper()
	set, err := migrations.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// history builds a set of tiny migrations, one per statement.
func history(t *testing.T, statements ...string) migrations.Set {
	t.Helper()
	files := fstest.MapFS{}
	for i, statement := range statements {
		base := fmt.Sprintf("%04d_step", i+1)
		files[base+".up.sql"] = &fstest.MapFile{Data: []byte("-- because of a test\n" + statement)}
		files[base+".down.sql"] = &fstest.MapFile{Data: []byte("-- because of a test\nSELECT 1")}
	}
	set, err := migrations.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func exists(t *testing.T, conn *pgx.Conn, table string) bool {
	t.Helper()
	var found bool
	if err := conn.QueryRow(t.Context(), "SELECT to_regclass($1) IS NOT NULL", table).Scan(&found); err != nil {
		t.Fatal(err)
	}
	return found
}

// Each released migration has a check of the state that it finds and of the state that it leaves, in
// testdata/NNNN.before.sql and NNNN.after.sql. Rows that a check inserts stay for the later ones, as
// in a database that is upgraded.
func TestLedger_EachStepHoldsItsChecks(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.URL(t))
	run := func(name string) {
		t.Helper()
		sql, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatalf("each migration needs this check: %v", err)
		}
		if _, err := conn.Exec(t.Context(), string(sql)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	set := ledgerSet(t)
	for _, step := range set {
		run(fmt.Sprintf("%04d.before.sql", step.Version))
		done, err := set.Apply(t.Context(), conn, migrations.Options{To: step.Version})
		if err != nil {
			t.Fatal(err)
		}
		if len(done) != 1 || done[0].Version != step.Version {
			t.Fatalf("applied %v, want only %s", done, step)
		}
		run(fmt.Sprintf("%04d.after.sql", step.Version))
	}
}

func TestApply_SecondTimeDoesNothing(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.URL(t))
	var told []string
	opts := migrations.Options{Applied: func(m migrations.Migration) { told = append(told, m.String()) }}
	first, err := migrations.Apply(t.Context(), conn, opts)
	if err != nil {
		t.Fatal(err)
	}
	second, err := migrations.Apply(t.Context(), conn, opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != len(ledgerSet(t)) || len(second) != 0 || len(told) != len(first) {
		t.Errorf("applied %d then %d, told %v", len(first), len(second), told)
	}
}

func TestApply_ManyLedgersAtOnceApplyEachStepOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	// CREATE TABLE and INSERT would fail or double when a step ran twice.
	set := history(t, "CREATE TABLE public.a (n int)", "INSERT INTO public.a VALUES (1)", "CREATE TABLE public.b (n int)")
	counts := make(chan int, 6)
	group, ctx := errgroup.WithContext(t.Context())
	for range cap(counts) {
		group.Go(func() error {
			conn, err := pgx.Connect(ctx, url)
			if err != nil {
				return err
			}
			defer conn.Close(ctx)
			done, err := set.Apply(ctx, conn, migrations.Options{})
			counts <- len(done)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	close(counts)
	total := 0
	for n := range counts {
		total += n
	}
	if total != len(set) {
		t.Errorf("%d steps were applied in all, want %d", total, len(set))
	}
}

func TestApply_RefusesEditedFile(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.URL(t))
	if _, err := history(t, "SELECT 1", "SELECT 2").Apply(t.Context(), conn, migrations.Options{}); err != nil {
		t.Fatal(err)
	}
	edited := history(t, "SELECT 1", "SELECT 22", "CREATE TABLE public.never (n int)")
	_, err := edited.Apply(t.Context(), conn, migrations.Options{})
	var failure *migrations.EditedError
	if !errors.As(err, &failure) || failure.Migration.Version != 2 {
		t.Fatalf("error = %v, want an EditedError about version 2", err)
	}
	if exists(t, conn, "public.never") {
		t.Error("went on after an edited file")
	}
	if _, err := edited.Status(t.Context(), conn); !errors.As(err, &failure) {
		t.Errorf("status: error = %v, want an EditedError", err)
	}
}

func TestApply_RefusesNewerDatabase(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.URL(t))
	if _, err := history(t, "SELECT 1", "SELECT 2").Apply(t.Context(), conn, migrations.Options{}); err != nil {
		t.Fatal(err)
	}
	_, err := history(t, "SELECT 1").Apply(t.Context(), conn, migrations.Options{})
	var failure *migrations.NewerError
	if !errors.As(err, &failure) {
		t.Fatalf("error = %v, want a NewerError", err)
	}
	if diff := cmp.Diff(migrations.NewerError{Database: 2, Known: 1}, *failure); diff != "" {
		t.Error(diff)
	}
}

func TestApply_FailedStepLeavesNothingOfItselfAndAllBefore(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.URL(t))
	set := history(t, "CREATE TABLE public.a (n int)", "CREATE TABLE public.b (n int); SELECT 1/0")
	done, err := set.Apply(t.Context(), conn, migrations.Options{})
	var failure *migrations.FailedError
	if !errors.As(err, &failure) || failure.Migration.Version != 2 {
		t.Fatalf("error = %v, want a FailedError of version 2", err)
	}
	if len(done) != 1 || !exists(t, conn, "public.a") || exists(t, conn, "public.b") {
		t.Errorf("applied %v; a exists %v, b exists %v", done, exists(t, conn, "public.a"), exists(t, conn, "public.b"))
	}
	repaired := history(t, "CREATE TABLE public.a (n int)", "CREATE TABLE public.b (n int)")
	if done, err = repaired.Apply(t.Context(), conn, migrations.Options{}); err != nil || len(done) != 1 {
		t.Errorf("after the repair: applied %v, error %v", done, err)
	}
}

func TestRevert_TakesEverythingBackAndApplyMakesItAgain(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.URL(t))
	set := ledgerSet(t)
	catalogue := func() string {
		t.Helper()
		// All relations, functions and constraints of ours with their definitions.
		const query = `
			SELECT coalesce(string_agg(line, E'\n' ORDER BY line), '') FROM (
				SELECT format('%s.%s %s %s %s', n.nspname, c.relname, c.relkind, a.attname,
				       format_type(a.atttypid, a.atttypmod)) AS line
				  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
				  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
				 WHERE n.nspname IN ('ledger', 'ledger_data')
				UNION ALL
				SELECT pg_get_functiondef(p.oid) FROM pg_proc p
				 WHERE p.pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('ledger', 'ledger_data'))
				UNION ALL
				SELECT conname || pg_get_constraintdef(c.oid) FROM pg_constraint c
				 WHERE c.connamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('ledger', 'ledger_data'))
			) lines`
		var text string
		if err := conn.QueryRow(t.Context(), query).Scan(&text); err != nil {
			t.Fatal(err)
		}
		return text
	}
	var steps []string
	for range 2 {
		for _, step := range set {
			steps = append(steps, catalogue())
			if _, err := set.Apply(t.Context(), conn, migrations.Options{To: step.Version}); err != nil {
				t.Fatal(err)
			}
		}
		full := catalogue()
		if !strings.Contains(full, "ledger_data.orders r order_id text") {
			t.Fatalf("the catalogue does not show the tables:\n%.500s", full)
		}
		for i := len(set) - 1; i >= 0; i-- {
			if done, err := set.Revert(t.Context(), conn, i); err != nil || len(done) != 1 {
				t.Fatalf("revert to %d: %v, %v", i, done, err)
			}
			if diff := cmp.Diff(steps[i], catalogue()); diff != "" {
				t.Errorf("taking back %s leaves a difference:\n%s", set[i], diff)
			}
		}
		steps = nil
	}
}

func TestStatus_TellsWhatIsApplied(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.URL(t))
	set := history(t, "SELECT 1", "SELECT 2")
	applied := func() []bool {
		t.Helper()
		states, err := set.Status(t.Context(), conn)
		if err != nil {
			t.Fatal(err)
		}
		var got []bool
		for _, state := range states {
			got = append(got, !state.AppliedAt.IsZero())
		}
		return got
	}
	if diff := cmp.Diff([]bool{false, false}, applied()); diff != "" {
		t.Errorf("empty database: %s", diff)
	}
	if _, err := set.Apply(t.Context(), conn, migrations.Options{To: 1}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]bool{true, false}, applied()); diff != "" {
		t.Errorf("after the first: %s", diff)
	}
}

func TestLoad_RefusesAMalformedHistory(t *testing.T) {
	t.Parallel()
	const good = "-- reason\nSELECT 1"
	for name, tc := range map[string]struct {
		files map[string]string
		want  string
	}{
		"Gap":         {map[string]string{"0001_a.up.sql": good, "0001_a.down.sql": good, "0003_c.up.sql": good, "0003_c.down.sql": good}, "number 2 is missing"},
		"NoDown":      {map[string]string{"0001_a.up.sql": good}, "one of its two files is missing"},
		"NoReason":    {map[string]string{"0001_a.up.sql": "SELECT 1", "0001_a.down.sql": good}, "gives its reason"},
		"SameNumber":  {map[string]string{"0001_a.up.sql": good, "0001_b.down.sql": good}, "number 1 is taken"},
		"StrangeName": {map[string]string{"1_a.sql": good}, "its name is not"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := fstest.MapFS{}
			for path, content := range tc.files {
				files[path] = &fstest.MapFile{Data: []byte(content)}
			}
			_, err := migrations.Load(files)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error = %v, want one that says %q", err, tc.want)
			}
		})
	}
}

func TestLoad_LineEndsDoNotChangeTheChecksum(t *testing.T) {
	t.Parallel()
	load := func(content string) migrations.Migration {
		files := fstest.MapFS{"0001_a.up.sql": {Data: []byte(content)}, "0001_a.down.sql": {Data: []byte(content)}}
		set, err := migrations.Load(fs.FS(files))
		if err != nil {
			t.Fatal(err)
		}
		return set[0]
	}
	if diff := cmp.Diff(load("-- reason\nSELECT 1\n"), load("-- reason\r\nSELECT 1\r\n")); diff != "" {
		t.Error(diff)
	}
}
