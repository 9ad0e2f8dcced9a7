package rebuild

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Autovacuum would read and write tables that are being built, for nothing: they hold no dead rows, statistics are taken once
// all rows are there, and indexes wait for it.
const (
	vacuumOff = "SET (autovacuum_enabled = off, toast.autovacuum_enabled = off)"
	vacuumOn  = "RESET (autovacuum_enabled, toast.autovacuum_enabled)"
)

// setVacuum gives all tables of a schema one of vacuumOff and vacuumOn.
func setVacuum(ctx context.Context, tx pgx.Tx, tables, setting string) error {
	rows, err := tx.Query(ctx, `SELECT format('ALTER TABLE %s %s', oid::regclass, $2::text) FROM pg_class
		WHERE relnamespace = $1::text::regnamespace AND relkind = 'r' ORDER BY relname`, tables, setting)
	if err != nil {
		return fmt.Errorf("list the tables of %s: %w", tables, err)
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list the tables of %s: %w", tables, err)
	}
	var all pgx.Batch
	for _, s := range statements {
		all.Queue(s)
	}
	if err := tx.SendBatch(ctx, &all).Close(); err != nil {
		return fmt.Errorf("set autovacuum of %s: %w", tables, err)
	}
	return nil
}
