package projections_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/rebuild"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// Whoever reads the new tables first does not have their pages written again, and autovacuum leaves them alone until they are
// live. Not beside other tests: a commit of theirs that is not on disk yet keeps PostgreSQL from noting what is committed.
func TestRebuild_PagesAreWrittenOnce(t *testing.T) { //nolint:paralleltest // see above
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	w := newWorld(36)
	appendMany(t, log, w.history(t, 60, 2000))
	head, _, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := projections.CatchUp(t.Context(), config(log, url), head); err != nil {
		t.Fatal(err)
	}
	cfg := rebuildConfig(t, log, url, t.TempDir())
	cfg.Reached = func(ctx context.Context, at rebuild.Point) error {
		if at != rebuild.PointLoaded {
			return nil
		}
		if left, all := unvacuumed(t, pool, besideNext); left == 0 || left != all {
			t.Errorf("autovacuum is off for %d of %d tables that are built", left, all)
		}
		if _, err := pool.Exec(ctx, "CHECKPOINT"); err != nil { // from now on it shows which pages change
			return err
		}
		var plan []struct {
			Plan struct {
				Hit     int `json:"Shared Hit Blocks"`
				Read    int `json:"Shared Read Blocks"`
				Dirtied int `json:"Shared Dirtied Blocks"`
			}
		}
		err := pool.QueryRow(ctx, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT count(*) FROM "+besideNext+".order_history").Scan(&plan)
		if err != nil {
			return err
		}
		if p := plan[0].Plan; p.Hit+p.Read < 100 || p.Dirtied > (p.Hit+p.Read)/2 {
			t.Errorf("reading %d pages changed %d", p.Hit+p.Read, p.Dirtied)
		}
		return nil
	}
	if _, err := newEngine(t, cfg).All(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	cfg.Reached = nil
	if err := newEngine(t, cfg).Freeze(t.Context(), "month_2026_10", eventstore.Position{Commit: head.Commit / 2, Prepare: head.Commit / 2}); err != nil {
		t.Fatal(err)
	}
	for _, tables := range []string{"ledger_data", "ledger_data_frozen_month_2026_10"} {
		if left, all := unvacuumed(t, pool, tables); left != 0 {
			t.Errorf("autovacuum is off for %d of %d tables of %s", left, all, tables)
		}
	}
}

// unvacuumed counts the tables of a schema that autovacuum is off for.
func unvacuumed(t *testing.T, pool *pgxpool.Pool, tables string) (off, all int) {
	t.Helper()
	err := pool.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE 'autovacuum_enabled=off' = ANY (reloptions)), count(*)
		FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relkind = 'r'`, tables).Scan(&off, &all)
	if err != nil {
		t.Fatal(err)
	}
	return off, all
}

// While the live runner waits for a swap, the audit trail is read by its indexes, whatever PostgreSQL knows of the tables.
func TestRebuild_SwapReadsByIndexes(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	appendMany(t, log, newWorld(37).history(t, 20, 200))
	head, _, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := projections.CatchUp(t.Context(), config(log, url), head); err != nil {
		t.Fatal(err)
	}
	var plans planTracer
	cfg := rebuildConfig(t, log, url, t.TempDir())
	cfg.Connect = func(ctx context.Context, name string) (*pgx.Conn, error) {
		config, err := pgx.ParseConfig(url)
		if err != nil {
			return nil, err
		}
		schema.Use(config, name)
		config.Tracer = &plans
		return pgx.ConnectConfig(ctx, config)
	}
	if _, err := newEngine(t, cfg).All(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if len(plans.seen) < 2 {
		t.Fatalf("%d statements read the audit trail", len(plans.seen))
	}
	read := 0
	for _, plan := range plans.seen {
		if strings.Contains(plan, "One-Time Filter: false") && !strings.Contains(plan, "Scan on order_history") { // of no orders
			continue
		}
		read++
		if !strings.Contains(plan, "Index") || strings.Contains(plan, "Seq Scan on order_history") {
			t.Error(plan)
		}
	}
	if read == 0 {
		t.Errorf("no plan of %d reads rows", len(plans.seen))
	}
}

// Who dumps the database holds its tables for long: the rebuild does not wait for that.
func TestRebuild_BesideADump(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	appendMany(t, log, newWorld(38).history(t, 20, 200))
	pool := newPool(t, url)
	dumper := newConn(t, url)
	cfg := rebuildConfig(t, log, url, t.TempDir())
	cfg.Reached = func(ctx context.Context, at rebuild.Point) (err error) {
		switch at {
		case rebuild.PointPrepared:
			_, err = dumper.Exec(ctx, "BEGIN; LOCK TABLE "+besideNext+".order_history, "+besideNext+".journal_lines IN ACCESS SHARE MODE")
		case rebuild.PointLoaded:
			_, err = dumper.Exec(ctx, "COMMIT")
		}
		return err
	}
	if _, err := newEngine(t, cfg).All(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	same(t, "rebuilt beside a dump", project(t, log, nil), dump(t, pool))
}

// planTracer keeps the plans of what reads the audit trails of both sets of tables.
type planTracer struct{ seen []string }

func (p *planTracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if !strings.HasPrefix(data.SQL, "SELECT ") || !strings.Contains(data.SQL, besideNext) || !strings.Contains(data.SQL, "order_history") {
		return ctx
	}
	rows, err := conn.Query(ctx, "EXPLAIN "+data.SQL, data.Args...)
	if err != nil {
		return ctx
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil {
		p.seen = append(p.seen, data.SQL+"\n"+strings.Join(lines, "\n"))
	}
	return ctx
}

func (p *planTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
