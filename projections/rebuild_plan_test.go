package projections_test

import (
	"context"
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
