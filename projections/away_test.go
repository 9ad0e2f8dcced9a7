package projections_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/projections/rebuild"
)

// fillDisk has PostgreSQL refuse rows of a table as it does when its disk is full.
func fillDisk(tb testing.TB, pool *pgxpool.Pool, table string) {
	tb.Helper()
	_, err := pool.Exec(tb.Context(), `CREATE OR REPLACE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
		$$BEGIN RAISE EXCEPTION 'could not extend file "base/1/2": No space left on device' USING ERRCODE = 'disk_full'; END$$;
		CREATE TRIGGER no_room BEFORE INSERT ON `+table+` FOR EACH STATEMENT EXECUTE FUNCTION no_room()`)
	if err != nil {
		tb.Fatal(err)
	}
}

func makeRoom(tb testing.TB, pool *pgxpool.Pool, table string) {
	tb.Helper()
	if _, err := pool.Exec(tb.Context(), "DROP TRIGGER no_room ON "+table); err != nil {
		tb.Fatal(err)
	}
}

// saysOnce checks that an operator is told what to do, and PostgreSQL's words once.
func saysOnce(tb testing.TB, text, then string) {
	tb.Helper()
	if !strings.HasPrefix(text, "the disk of PostgreSQL is full: make room on it, and "+then) || strings.Count(text, "No space left") != 1 {
		tb.Errorf("error %q", text)
	}
}

func TestRunner_DiskFull(t *testing.T) {
	t.Parallel()
	log, at := newLog(t), newDatabase(t)
	pool := newPool(t, at)
	fillDisk(t, pool, "ledger_data.orders")
	r := start(t, config(log, at))
	appendAll(t, log, newWorld(18).history(t, 5, 40))
	eventually(t, "a failure", func() bool { return r.Status(t.Context()).Failures > 1 })
	saysOnce(t, r.Status(t.Context()).LastError, "the views go on by themselves")
	makeRoom(t, pool, "ledger_data.orders")
	reach(t, log, pool)
	same(t, "a disk that was full", project(t, log, nil), dump(t, pool))
}

func TestRebuild_DiskFull(t *testing.T) {
	t.Parallel()
	log, at := newLog(t), newDatabase(t)
	pool := newPool(t, at)
	start(t, config(log, at))
	appendAll(t, log, newWorld(19).history(t, 5, 40))
	reach(t, log, pool)
	cfg := rebuildConfig(t, log, at, t.TempDir())
	full := true
	cfg.Reached = func(_ context.Context, p rebuild.Point) error {
		if p == rebuild.PointSpilled && full {
			fillDisk(t, pool, "ledger_data_next.orders")
		}
		return nil
	}
	e := newEngine(t, cfg)
	if _, err := e.All(t.Context(), ""); err == nil {
		t.Fatal("a rebuild ends on a full disk")
	} else {
		saysOnce(t, err.Error(), "the same command goes on where it was")
	}
	full = false
	makeRoom(t, pool, "ledger_data_next.orders")
	if proof, err := e.All(t.Context(), ""); err != nil || !proof.Equal() {
		t.Errorf("proof %+v, error %v", proof, err)
	}
}

// TestRebuild_DatabaseGoesAway: the connections of a rebuild end, as they do with PostgreSQL.
func TestRebuild_DatabaseGoesAway(t *testing.T) {
	t.Parallel()
	log, at := newLog(t), newDatabase(t)
	pool := newPool(t, at)
	start(t, config(log, at))
	appendAll(t, log, newWorld(20).history(t, 5, 40))
	reach(t, log, pool)
	cfg := rebuildConfig(t, log, named(t, at, "rebuild"), t.TempDir())
	once := sync.OnceFunc(func() {
		if _, err := pool.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rebuild'"); err != nil {
			t.Error(err)
		}
	})
	cfg.Reached = func(_ context.Context, p rebuild.Point) error {
		if p == rebuild.PointUnitFolded {
			once()
		}
		return nil
	}
	e := newEngine(t, cfg)
	_, err := e.All(t.Context(), "")
	if err == nil || !strings.HasPrefix(err.Error(), "PostgreSQL went away: when it is back, the same command goes on where it was: ") {
		t.Fatalf("error %v", err)
	}
	if proof, err := e.All(t.Context(), ""); err != nil || !proof.Equal() {
		t.Errorf("proof %+v, error %v", proof, err)
	}
}
