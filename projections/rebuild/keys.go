package rebuild

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// keptKeys are the tables that keep their keys: the one row of the checkpoint, and those whose rows are
// few and are written with ON CONFLICT.
var keptKeys = []string{"checkpoint", "quarantine", "parked_orders"}

// takeKeys removes all keys and indexes, and returns the statements that make them again: "table: statement".
func takeKeys(ctx context.Context, tx pgx.Tx, tables string) ([]string, error) {
	rows, err := tx.Query(ctx, `
		SELECT t.relname::text, i.relname::text,
		       coalesce('ALTER TABLE ' || $1::text || '.' || t.relname || ' ADD CONSTRAINT ' || c.conname || ' ' || pg_get_constraintdef(c.oid),
		                pg_get_indexdef(i.oid)),
		       coalesce('ALTER TABLE ' || $1::text || '.' || t.relname || ' DROP CONSTRAINT ' || c.conname,
		                'DROP INDEX ' || $1::text || '.' || i.relname)
		  FROM pg_index x
		  JOIN pg_class i ON i.oid = x.indexrelid
		  JOIN pg_class t ON t.oid = x.indrelid
		  LEFT JOIN pg_constraint c ON c.conindid = i.oid AND c.contype IN ('p', 'u', 'x')
		 WHERE t.relnamespace = $1::text::regnamespace AND t.relname <> ALL ($2)
		 ORDER BY t.relname, c.conname IS NULL, i.relname`, tables, keptKeys)
	if err != nil {
		return nil, fmt.Errorf("list the keys: %w", err)
	}
	type key struct{ Table, Name, Add, Drop string }
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[key])
	if err != nil {
		return nil, fmt.Errorf("list the keys: %w", err)
	}
	statements := make([]string, 0, len(keys))
	for _, k := range keys {
		if _, err := tx.Exec(ctx, k.Drop); err != nil {
			return nil, fmt.Errorf("take key %s away: %w", k.Name, err)
		}
		statements = append(statements, k.Table+"/"+k.Name+": "+k.Add)
	}
	return statements, nil
}

// makeKeys makes the keys again that are missing, table by table side by side, and takes statistics.
func (e *Engine) makeKeys(ctx context.Context, set *Set) error {
	byTable := make(map[string][]string)
	var order []string
	for _, k := range set.keys {
		table, _, _ := strings.Cut(k, "/")
		if byTable[table] == nil {
			order = append(order, table)
		}
		byTable[table] = append(byTable[table], k)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(e.cfg.Workers)
	// The widest table takes longest.
	for i, table := range order {
		if table == "order_history" {
			order[0], order[i] = order[i], order[0]
		}
	}
	for _, table := range order {
		group.Go(func() error { return e.keysOf(ctx, set, table, byTable[table]) })
	}
	return group.Wait()
}

func (e *Engine) keysOf(ctx context.Context, set *Set, table string, keys []string) error {
	conn, err := e.cfg.Connect(ctx, set.Tables)
	if err != nil {
		return fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, conn)
	if _, err := conn.Exec(ctx, "SET maintenance_work_mem = '192MB'; SET synchronous_commit = off"); err != nil {
		return err
	}
	for _, k := range keys {
		e.pace.wait(ctx)
		name, statement, _ := strings.Cut(k, ": ")
		_, name, _ = strings.Cut(name, "/")
		var exists bool
		if err := conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", set.Tables+"."+name).Scan(&exists); err != nil {
			return fmt.Errorf("look for key %s: %w", name, err)
		}
		if !exists {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return fmt.Errorf("make key %s: %w", name, err)
			}
		}
		e.progress.add(set.Target, 1, 0)
		if err := e.cfg.Reached(ctx, PointKeyMade); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(ctx, "ANALYZE "+set.Tables+"."+table); err != nil {
		return fmt.Errorf("take statistics of %s: %w", table, err)
	}
	return nil
}
