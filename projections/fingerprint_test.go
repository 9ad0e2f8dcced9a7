package projections_test

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
)

func ownFingerprint(tb testing.TB) fingerprint.Fingerprint {
	tb.Helper()
	f, err := projections.Fingerprint(map[string]string{"tables": "create table x (y int);\n"})
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// TestFingerprint_OfMeaning: comments, layout, line ends and tests do not matter; any token does, and any
// byte of SQL.
func TestFingerprint_OfMeaning(t *testing.T) {
	t.Parallel()
	digest := func(files map[string]string) string {
		t.Helper()
		source := fstest.MapFS{}
		for name, text := range files {
			source[name] = &fstest.MapFile{Data: []byte(text)}
		}
		d, err := fingerprint.OfSource(source)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	const text = "package x\n\nfunc f(a int) int {\n\treturn a + 1\n}\n"
	base := digest(map[string]string{"a.go": text, "b.sql": "select 1\n"})
	for what, files := range map[string]map[string]string{
		"a comment":   {"a.go": "// Package x.\n" + text + "// end\n", "b.sql": "select 1\n"},
		"layout":      {"a.go": "package x;func f(a int) int {return a+1\n}\n", "b.sql": "select 1\n"},
		"line ends":   {"a.go": strings.ReplaceAll(text, "\n", "\r\n"), "b.sql": "select 1\r\n"},
		"a test":      {"a.go": text, "a_test.go": "package x\n", "b.sql": "select 1\n"},
		"line breaks": {"a.go": "package x\nfunc f(a int,\n) int {\n\n\treturn a + 1\n}", "b.sql": "select 1\n"},
	} {
		if same := digest(files) == base; same != (what != "line breaks") { // a comma more is a token more
			t.Errorf("%s: equal is %v", what, same)
		}
	}
	for what, files := range map[string]map[string]string{
		"a number":   {"a.go": strings.Replace(text, "1", "2", 1), "b.sql": "select 1\n"},
		"an operand": {"a.go": strings.Replace(text, "+", "-", 1), "b.sql": "select 1\n"},
		"SQL":        {"a.go": text, "b.sql": "select 2\n"},
		"a name":     {"c.go": text, "b.sql": "select 1\n"},
		"a file":     {"a.go": text, "b.sql": "select 1\n", "c.sql": ""},
		"no file":    {"a.go": text},
	} {
		if digest(files) == base {
			t.Errorf("%s makes no difference", what)
		}
	}
}

// TestFingerprint_CoversTheModels: every file that writes rows is part of it, and it is the same each
// time.
func TestFingerprint_CoversTheModels(t *testing.T) {
	t.Parallel()
	own := ownFingerprint(t)
	if diff := cmp.Diff(own, ownFingerprint(t)); diff != "" || len(own) != 6 {
		t.Errorf("taken twice: %s", diff)
	}
	// What is not part of it, and why.
	without := []string{
		"*/reader.go", "*/of.go", "*/of_order.sql", "*/by_*.sql", "*/get.sql", "*/list.sql", "*/list.go", "*/summary*", "*/*stored*", "*/last.sql",
		"disputes/timeline_of_order.sql", "payments/course.*", "parked/count.*", // read
		"*/delete*.sql", "parked/clear*.sql", "parked/reason.sql", "heal.go", "retry.go", // write again what these files say
		"cache.go", "catchup.go", "config.go", "leader.go", "lock.sql", "runner.go", "stale.go", "status.go", "telemetry.go", "writer.go", // when and by whom
		"source.go", "*/doc.go", "doc.go",
	}
	for _, dir := range append(modelFolders(t), ".", "internal/storable", "internal/pgcopy", "internal/invariant") {
		for _, pattern := range []string{"*.go", "*.sql"} {
			names, err := fs.Glob(os.DirFS(dir), pattern)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				name = path.Join(dir, name)
				if strings.HasSuffix(name, "_test.go") || slices.ContainsFunc(without, func(p string) bool {
					is, err := path.Match(p, name)
					return err == nil && is
				}) {
					continue
				}
				if _, err := fs.Stat(projections.ModelSource(), name); err != nil {
					t.Errorf("%s is not part of the fingerprint: %v", name, err)
				}
			}
		}
	}
}

// TestFingerprint_OfAnotherVersion: rows that another version made are neither gone on with nor touched;
// the runner says what changed, and goes on by itself when they have been rebuilt.
func TestFingerprint_OfAnotherVersion(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(61)
	appendMany(t, log, w.history(t, 6, 40))
	older := ownFingerprint(t)
	older["fold"], older["models of old"] = "another", "x"
	cfg := config(log, url)
	cfg.Fingerprint = older
	r := start(t, cfg)
	reach(t, log, pool)
	r.stop(t)
	r = start(t, cfg) // the same version goes on
	appendMany(t, log, w.history(t, 0, 5))
	reach(t, log, pool)
	r.stop(t)
	before := dump(t, pool)
	appendMany(t, log, w.history(t, 0, 20))

	cfg.Fingerprint = ownFingerprint(t)
	r = start(t, cfg)
	eventually(t, "the runner to refuse", func() bool { return r.Status(t.Context()).Role == projections.Stale })
	want := []fingerprint.Change{{Part: "fold", What: "changed"}, {Part: "models of old", What: "removed"}}
	if st := r.Status(t.Context()); !cmp.Equal(st.Changed, want) || st.Failures != 0 {
		t.Errorf("status: %+v", st)
	}
	same(t, "rows of another version", before, dump(t, pool))

	wipe(t, pool) // a rebuild in short
	reach(t, log, pool)
	eventually(t, "the runner to lead", func() bool {
		st := r.Status(t.Context())
		return st.Role == projections.Leader && len(st.Changed) == 0
	})
	same(t, "rebuilt", project(t, log, nil), dump(t, pool))
	if err := projections.CheckRows(t.Context(), pool, cfg.Fingerprint); err != nil {
		t.Errorf("after the rebuild: %v", err)
	}
}

// TestFingerprint_SaysWhatChanged: one token more in what folds, decodes, upcasts, counts or writes, and one word more in
// the definition of a table, and the runner refuses and says in which part.
func TestFingerprint_SaysWhatChanged(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(63).history(t, 4, 30))
	own := ownFingerprint(t)
	cfg := config(log, url)
	cfg.Fingerprint = own
	r := start(t, cfg)
	reach(t, log, pool)
	r.stop(t)
	before := dump(t, pool)
	changed := func(source fs.FS, name string) string {
		digest, err := fingerprint.OfSource(changedFS{FS: source, name: name})
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	for _, c := range []struct{ what, part, now string }{
		{"the fold", "fold", changed(order.FoldSource(), "evolve.go")},
		{"the codec", "fold", changed(order.FoldSource(), "codec.go")},
		{"an upcaster", "fold", changed(order.FoldSource(), "upcast.go")},
		{"money", "money", changed(money.Source(), "money.go")},
		{"the books", "accounting", changed(accounting.Source(), "entry.go")},
		{"rows", "models", changed(projections.ModelSource(), "payments/rows.go")},
		{"a statement that writes", "models", changed(projections.ModelSource(), "payments/upsert.sql")},
		{"the definition of a table", "tables", fingerprint.OfText("create table x (y int, z int);\n")},
	} {
		if c.now == own[c.part] {
			t.Errorf("%s: part %s is the same", c.what, c.part)
			continue
		}
		cfg.Fingerprint = maps.Clone(own)
		cfg.Fingerprint[c.part] = c.now
		r := start(t, cfg)
		eventually(t, "the runner to refuse after a change of "+c.what, func() bool { return r.Status(t.Context()).Role == projections.Stale })
		want := []fingerprint.Change{{Part: c.part, What: "changed"}}
		if st := r.Status(t.Context()); !cmp.Equal(st.Changed, want) || fingerprint.Describe(st.Changed) != c.part+" changed" {
			t.Errorf("%s: %+v", c.what, st.Changed)
		}
		r.stop(t)
	}
	same(t, "the rows", before, dump(t, pool))
}

// changedFS are files of which one has a declaration, or a line, more.
type changedFS struct {
	fs.FS
	name string
}

func (c changedFS) ReadFile(name string) ([]byte, error) {
	content, err := fs.ReadFile(c.FS, name)
	if name == c.name {
		content = append(content, "\nvar more = 1\n"...)
	}
	return content, err
}

// TestFingerprint_RebuildIfNeeded: a runner that may rebuild does, once, without leading meanwhile, and
// again after a failure.
func TestFingerprint_RebuildIfNeeded(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(62).history(t, 4, 30))
	older := start(t, config(log, url)) // a version that stored none
	reach(t, log, pool)
	older.stop(t)
	want := dump(t, pool)
	var asked atomic.Int32
	cfg := config(log, url)
	cfg.Fingerprint = ownFingerprint(t)
	cfg.Rebuild = func(ctx context.Context) error {
		if asked.Add(1) == 1 {
			return errBroken
		}
		eventually(t, "the projector's lock to be free for whoever rebuilds", func() bool {
			var free bool
			err := pool.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock(1279607879, 1)").Scan(&free)
			return err == nil && free
		})
		wipe(t, pool)
		return nil
	}
	r := start(t, cfg)
	eventually(t, "the runner to lead", func() bool { return r.Status(t.Context()).Role == projections.Leader })
	reach(t, log, pool)
	same(t, "rebuilt", want, dump(t, pool))
	if n := asked.Load(); n != 2 {
		t.Errorf("the rebuild was asked for %d times, want twice: it failed once", n)
	}
	if at, err := checkpoint.Read(t.Context(), pool); err != nil || !at.Known {
		t.Errorf("checkpoint %s, %v", at, err)
	}
}

// modelFolders are those of the read models: each has rows to write.
func modelFolders(tb testing.TB) []string {
	tb.Helper()
	var dirs []string
	for _, name := range append(glob(tb, "*/rows.go"), glob(tb, "*/upsert*.sql")...) {
		if dir := path.Dir(name); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

func glob(tb testing.TB, pattern string) []string {
	tb.Helper()
	names, err := fs.Glob(os.DirFS("."), pattern)
	if err != nil || len(names) == 0 {
		tb.Fatalf("%s: %v, %v", pattern, names, err)
	}
	return names
}
