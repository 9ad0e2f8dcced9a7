package projections_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/projections/rebuild"
)

// A plan tells what the rebuild then makes: events and rows exactly while there are few, disk space within a factor.
func TestRebuild_PlanTellsWhatIsMade(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	appendMany(t, log, newWorld(51).history(t, 60, 1500))
	for name, live := range map[string]bool{"LiveTables": true, "EmptyTables": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := newDatabase(t)
			pool := newPool(t, url)
			if live {
				r := start(t, config(log, url))
				reach(t, log, pool)
				r.stop(t)
				if _, err := pool.Exec(t.Context(), "SELECT pg_stat_reset()"); err != nil { // as a crash does
					t.Fatal(err)
				}
			}
			cfg := rebuildConfig(t, log, url, t.TempDir())
			var spilled int64
			cfg.Reached = func(_ context.Context, at rebuild.Point) error {
				if at != rebuild.PointSpilled {
					return nil
				}
				info, err := os.Stat(filepath.Join(cfg.Dir, besideNext+".spill"))
				if err == nil {
					spilled = info.Size()
				}
				return err
			}
			e := newEngine(t, cfg)
			plan, err := e.Plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if sets, err := e.Status(t.Context()); err != nil || len(sets) > 0 {
				t.Fatalf("the plan made %v, %v", sets, err)
			}
			if err := e.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			sets, err := e.Status(t.Context())
			if err != nil || len(sets) != 1 {
				t.Fatalf("%v, %v", sets, err)
			}
			if plan.Events != sets[0].Events || plan.Events < 1000 || plan.Target != sets[0].Target {
				t.Errorf("the plan has %d events up to %s, there are %d up to %s", plan.Events, plan.Target, sets[0].Events, sets[0].Target)
			}
			if (len(plan.Tables) > 0) != live {
				t.Errorf("the plan has %d tables", len(plan.Tables))
			}
			for _, table := range plan.Tables {
				if rows := rowsOf(t, pool, besideNext+"."+table.Table); rows != table.Rows {
					t.Errorf("the plan has %d rows of %s, there are %d", table.Rows, table.Table, rows)
				}
			}
			within(t, "bytes of the tables", plan.DatabaseBytes, sizeOf(t, pool, besideNext))
			within(t, "bytes of spilled events", plan.SpillBytes, spilled)
			if plan.Takes <= 0 || plan.FoldRate <= 0 || !plan.Fits {
				t.Errorf("the plan: %+v", plan)
			}
			again, err := e.Plan(t.Context())
			if err != nil || again.Continues != rebuild.Built || again.Takes <= 0 {
				t.Errorf("with built tables: %+v, %v", again, err)
			}
		})
	}
}

// The plan of a database that was rebuilt is by how long that took, whatever the proof found; before that it is by a sample, of which nothing
// is left.
func TestRebuild_PlanGoesByTheLast(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendMany(t, log, newWorld(55).typical(t, 1_100))
	r := start(t, config(log, url))
	reach(t, log, pool)
	r.stop(t)
	if _, err := pool.Exec(t.Context(), "UPDATE ledger_data.orders SET merchant_reference = 'changed'"); err != nil {
		t.Fatal(err)
	}
	cfg := rebuildConfig(t, log, url, t.TempDir())
	cfg.UnitBytes, cfg.MarkEvery = rebuild.DefaultUnitBytes, rebuild.DefaultMarkEvery
	e := newEngine(t, cfg)
	const left = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'ledger\\_data\\_%'"
	var beside int
	plan, err := e.Plan(t.Context())
	if err != nil || plan.Measured || plan.Takes <= 0 || plan.Events < 10_000 {
		t.Fatalf("before any: %+v, %v", plan, err)
	}
	if err := pool.QueryRow(t.Context(), left).Scan(&beside); err != nil || beside > 0 {
		t.Errorf("%d schemas are left of the sample, %v", beside, err)
	}
	var different *rebuild.DifferentError
	if _, err := e.All(t.Context(), ""); !errors.As(err, &different) {
		t.Fatal(err)
	}
	if plan, err = e.Plan(t.Context()); err != nil || !plan.Measured || plan.Continues != rebuild.Built {
		t.Errorf("after one that was refused: %+v, %v", plan, err)
	}
}

func within(tb testing.TB, what string, planned, actual int64) {
	tb.Helper()
	const factor = 2
	if actual == 0 || planned > factor*actual || actual > factor*planned {
		tb.Errorf("%s: planned %d, actual %d", what, planned, actual)
	}
}

func rowsOf(tb testing.TB, pool *pgxpool.Pool, table string) (n int64) {
	tb.Helper()
	if err := pool.QueryRow(tb.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}

func sizeOf(tb testing.TB, pool *pgxpool.Pool, schema string) (bytes int64) {
	tb.Helper()
	err := pool.QueryRow(tb.Context(), `SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
		WHERE relnamespace = $1::text::regnamespace AND relkind = 'r'`, schema).Scan(&bytes)
	if err != nil {
		tb.Fatal(err)
	}
	return bytes
}
