package rebuild

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/projections/parts"
)

// keptKeys are the tables that keep their keys: the one row of the checkpoint, and those whose rows are
// few and are written with ON CONFLICT.
var keptKeys = []string{"checkpoint", "quarantine", "parked_orders", "period_changes", "statements", "statement_lines", "statement_results", "statement_passes", "statement_bookings", "outside_writes"}

// keyTexts is how many texts tell of a key: its table, its name, the statement that makes its index, and the one
// that makes that a constraint, empty for an index that is none.
const keyTexts = 4

// takeKeys removes all keys and indexes, and returns keyTexts texts for each, to make them again.
func takeKeys(ctx context.Context, tx pgx.Tx, tables string) ([]string, error) {
	rows, err := tx.Query(ctx, `
		SELECT t.relname::text, i.relname::text, pg_get_indexdef(i.oid),
		       coalesce('ALTER TABLE ' || $1::text || '.' || t.relname || ' ADD CONSTRAINT ' || c.conname ||
		                CASE c.contype WHEN 'p' THEN ' PRIMARY KEY' ELSE ' UNIQUE' END || ' USING INDEX ' || i.relname, ''),
		       coalesce('ALTER TABLE ' || $1::text || '.' || t.relname || ' DROP CONSTRAINT ' || c.conname,
		                'DROP INDEX ' || $1::text || '.' || i.relname)
		  FROM pg_index x
		  JOIN pg_class i ON i.oid = x.indexrelid
		  JOIN pg_class t ON t.oid = x.indrelid
		  LEFT JOIN pg_constraint c ON c.conindid = i.oid AND c.contype IN ('p', 'u')
		 WHERE t.relnamespace = $1::text::regnamespace AND t.relname <> ALL ($2)
		 ORDER BY t.relname, c.conname IS NULL, i.relname`, tables, keptKeys)
	if err != nil {
		return nil, fmt.Errorf("list the keys: %w", err)
	}
	type key struct{ Table, Name, Index, Constraint, Drop string }
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[key])
	if err != nil {
		return nil, fmt.Errorf("list the keys: %w", err)
	}
	statements := make([]string, 0, len(keys))
	for _, k := range keys {
		if _, err := tx.Exec(ctx, k.Drop); err != nil {
			return nil, fmt.Errorf("take key %s away: %w", k.Name, err)
		}
		statements = append(statements, k.Table, k.Name, k.Index, k.Constraint)
	}
	return statements, nil
}

// makeKeys makes the keys again that are missing and takes statistics.
func (e *Engine) makeKeys(ctx context.Context, set *Set) error {
	if err := e.makeIndexes(ctx, set); err != nil {
		return err
	}
	var tables []string
	for k := range slices.Chunk(set.keys, keyTexts) {
		tables = append(tables, parts.TableOf(k[0]))
	}
	slices.Sort(tables)
	tables = slices.Compact(tables)
	slices.SortStableFunc(tables, widestFirst)
	err := besides(ctx, e, set, tables, e.analyze)
	if err != nil {
		return err
	}
	return e.withIndexer(ctx, set, func(conn *pgx.Conn) error {
		for k := range slices.Chunk(set.keys, keyTexts) {
			if err := makeConstraint(ctx, conn, set, k); err != nil {
				return err
			}
		}
		return nil
	})
}

// makeIndexes makes the indexes that are missing.
func (e *Engine) makeIndexes(ctx context.Context, set *Set) error {
	e.progress.begin(Indexing, uint64(len(set.keys)/keyTexts), 0, set.Events)
	keys := slices.Collect(slices.Chunk(set.keys, keyTexts))
	slices.SortStableFunc(keys, func(a, b []string) int { return widestFirst(a[0], b[0]) })
	return besides(ctx, e, set, keys, e.makeIndex)
}

// besides does something with each of all, side by side.
func besides[T any](ctx context.Context, e *Engine, set *Set, all []T, do func(context.Context, *pgx.Conn, *Set, T) error) error {
	todo := make(chan T, len(all))
	for _, one := range all {
		todo <- one
	}
	close(todo)
	group, ctx := errgroup.WithContext(ctx)
	for range e.cfg.Workers {
		group.Go(func() error {
			return e.withIndexer(ctx, set, func(conn *pgx.Conn) error {
				for one := range todo {
					if err := do(ctx, conn, set, one); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
	return group.Wait()
}

// widestFirst orders tables so that the one that takes longest is begun first.
func widestFirst(a, b string) int { return widest(b) - widest(a) }

func widest(table string) int {
	return slices.Index([]string{"orders", "journal_lines", "order_history"}, parts.TableOf(table))
}

func (e *Engine) withIndexer(ctx context.Context, set *Set, do func(*pgx.Conn) error) error {
	conn, err := e.cfg.Connect(ctx, set.Tables)
	if err != nil {
		return fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, conn)
	if _, err := conn.Exec(ctx, "SET maintenance_work_mem = '192MB'; SET max_parallel_maintenance_workers = 0; SET synchronous_commit = off"); err != nil {
		return err
	}
	// Compressing the pages of new indexes for the write-ahead log takes longer than writing them. Who may not
	// say so goes without.
	_, _ = conn.Exec(ctx, "SET wal_compression = off")
	return do(conn)
}

func (e *Engine) makeIndex(ctx context.Context, conn *pgx.Conn, set *Set, k []string) error {
	defer e.pace.alone(ctx)()
	e.background(conn)
	mine := e.pace.turn()
	defer mine.wait(ctx)
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", set.Tables+"."+k[1]).Scan(&exists); err != nil {
		return fmt.Errorf("look for key %s: %w", k[1], err)
	}
	if !exists {
		if _, err := conn.Exec(ctx, k[2]); err != nil {
			return fmt.Errorf("make key %s: %w", k[1], err)
		}
	}
	e.progress.add(set.Target, 1, 0)
	return e.cfg.Reached(ctx, PointKeyMade)
}

func (e *Engine) analyze(ctx context.Context, conn *pgx.Conn, set *Set, table string) error {
	defer e.pace.alone(ctx)()
	e.background(conn)
	mine := e.pace.turn()
	defer mine.wait(ctx)
	setting := "RESET default_statistics_target"
	if e.pace.givesWay() || slices.Contains(parts.Tables, table) { // less to sort; of parts a sample each is taken, and one of all
		setting = "SET default_statistics_target = 30"
	}
	if e.pace.givesWay() { // PostgreSQL pauses while it reads
		setting += "; SET vacuum_cost_delay = '2ms'"
	}
	if _, err := conn.Exec(ctx, setting); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "ANALYZE "+set.Tables+"."+table); err != nil {
		return fmt.Errorf("take statistics of %s: %w", table, err)
	}
	return nil
}

func makeConstraint(ctx context.Context, conn *pgx.Conn, set *Set, k []string) error {
	if k[3] == "" {
		return nil
	}
	var exists bool
	err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_constraint WHERE connamespace = $1::text::regnamespace AND conname = $2 AND contype IN ('p', 'u'))",
		set.Tables, k[1]).Scan(&exists)
	if err != nil {
		return fmt.Errorf("look for key %s: %w", k[1], err)
	}
	if exists {
		return nil
	}
	if _, err := conn.Exec(ctx, k[3]); err != nil {
		return fmt.Errorf("make key %s: %w", k[1], err)
	}
	return nil
}
