package migrations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// lockKey is the advisory lock that makes migrating ledgers take turns ("ledger" in ASCII).
	lockKey = 0x6c6564676572
	// minServerVersion is the oldest server that the SQL runs on, as PostgreSQL numbers itself.
	minServerVersion = 140000
)

// Options say how migrations are applied. The zero value applies all and reports nothing.
type Options struct {
	// To is the version to stop at; 0 = the newest.
	To int
	// Applied is called after each migration that was applied; may be nil.
	Applied func(Migration)
}

// Apply brings the ledger's schema to its newest version and returns the migrations that it applied,
// none when the schema was there already. Errors: *EditedError, *NewerError, *FailedError.
func Apply(ctx context.Context, conn *pgx.Conn, opts Options) ([]Migration, error) {
	set, err := Ledger()
	if err != nil {
		return nil, err
	}
	return set.Apply(ctx, conn, opts)
}

// Status tells for each migration of the ledger's schema whether it is applied.
func Status(ctx context.Context, conn *pgx.Conn) ([]State, error) {
	set, err := Ledger()
	if err != nil {
		return nil, err
	}
	return set.Status(ctx, conn)
}

// Apply is like the function of the same name for any history.
func (s Set) Apply(ctx context.Context, conn *pgx.Conn, opts Options) ([]Migration, error) {
	target := len(s)
	if opts.To != 0 {
		target = opts.To
	}
	if target < 0 || target > len(s) {
		return nil, fmt.Errorf("apply migrations up to version %d: there are %d", target, len(s))
	}
	if err := checkServer(ctx, conn); err != nil {
		return nil, err
	}
	var done []Migration
	for {
		var step *Migration
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			applied, err := s.lock(ctx, tx)
			if err != nil || len(applied) >= target {
				return err
			}
			step = &s[len(applied)]
			return step.apply(ctx, tx)
		})
		if err != nil {
			return done, fmt.Errorf("migrate the database: %w", err)
		}
		if step == nil {
			return done, nil
		}
		done = append(done, *step)
		if opts.Applied != nil {
			opts.Applied(*step)
		}
	}
}

// Revert takes migrations back, the newest first, until the schema has version to (0 = nothing is
// left). It returns those that it took back.
func (s Set) Revert(ctx context.Context, conn *pgx.Conn, to int) ([]Migration, error) {
	var done []Migration
	for {
		var step *Migration
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			applied, err := s.lock(ctx, tx)
			if err != nil || len(applied) <= max(to, 0) {
				return err
			}
			step = &s[len(applied)-1]
			return step.revert(ctx, tx)
		})
		if err != nil {
			return done, fmt.Errorf("revert a migration: %w", err)
		}
		if step == nil {
			return done, nil
		}
		done = append(done, *step)
	}
}

// State is a migration and whether it is applied.
type State struct {
	Migration Migration
	// AppliedAt is when it was applied, by the database's clock in UTC; zero = it is not.
	AppliedAt time.Time
}

// Status returns the state of each migration, in order. It changes nothing and takes no lock.
// Errors: *EditedError, *NewerError.
func (s Set) Status(ctx context.Context, conn *pgx.Conn) ([]State, error) {
	var exists bool
	err := conn.QueryRow(ctx, "SELECT to_regclass('ledger_internal.migrations') IS NOT NULL").Scan(&exists)
	if err != nil {
		return nil, fmt.Errorf("read which migrations are applied: %w", err)
	}
	var applied []record
	if exists {
		if applied, err = s.applied(ctx, conn); err != nil {
			return nil, err
		}
	}
	states := make([]State, len(s))
	for i, m := range s {
		states[i].Migration = m
		if i < len(applied) {
			states[i].AppliedAt = applied[i].AppliedAt.UTC()
		}
	}
	return states, nil
}

// checkServer refuses a server that the SQL cannot run on before anything fails half-understood.
func checkServer(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var name, encoding string
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int,
		current_setting('server_version'), current_setting('server_encoding')`).Scan(&version, &name, &encoding)
	if err != nil {
		return fmt.Errorf("ask the database for its version: %w", err)
	}
	if version < minServerVersion {
		return fmt.Errorf("the database is PostgreSQL %s and the ledger needs %d or newer",
			name, minServerVersion/10000)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database has the encoding %s and the ledger needs UTF8: "+
			"create one with CREATE DATABASE ledger ENCODING 'UTF8' TEMPLATE template0", encoding)
	}
	return nil
}

// lock makes this transaction the only one that migrates and returns what is applied.
func (s Set) lock(ctx context.Context, tx pgx.Tx) ([]record, error) {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(lockKey)); err != nil {
		return nil, fmt.Errorf("wait for other migrations: %w", err)
	}
	// Under the lock: two transactions that create the same schema at once fail in spite of IF NOT EXISTS.
	_, err := tx.Exec(ctx, `
		CREATE SCHEMA IF NOT EXISTS ledger_internal;
		CREATE TABLE IF NOT EXISTS ledger_internal.migrations (
			version    integer     PRIMARY KEY,
			name       text        NOT NULL,
			checksum   text        NOT NULL,
			applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
		)`)
	if err != nil {
		return nil, fmt.Errorf("prepare the record of migrations: %w", err)
	}
	return s.applied(ctx, tx)
}

// record is a row of ledger_internal.migrations.
type record struct {
	Version   int
	Checksum  string
	AppliedAt time.Time
}

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// applied reads the record and compares it with the history.
func (s Set) applied(ctx context.Context, q querier) ([]record, error) {
	rows, err := q.Query(ctx,
		"SELECT version, checksum, applied_at FROM ledger_internal.migrations ORDER BY version")
	if err != nil {
		return nil, fmt.Errorf("read which migrations are applied: %w", err)
	}
	applied, err := pgx.CollectRows(rows, pgx.RowToStructByPos[record])
	if err != nil {
		return nil, fmt.Errorf("read which migrations are applied: %w", err)
	}
	if n := len(applied); n > 0 && applied[n-1].Version > len(s) {
		return nil, &NewerError{Database: applied[n-1].Version, Known: len(s)}
	}
	for i, r := range applied {
		if r.Version != i+1 {
			return nil, fmt.Errorf("the record of migrations lacks version %d: "+
				"ledger_internal.migrations was changed by hand", i+1)
		}
		if r.Checksum != s[i].Checksum {
			return nil, &EditedError{Migration: s[i], Applied: r.Checksum}
		}
	}
	return applied, nil
}

func (m *Migration) apply(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, m.Up); err != nil {
		return &FailedError{Migration: *m, Err: err}
	}
	_, err := tx.Exec(ctx, "INSERT INTO ledger_internal.migrations (version, name, checksum) VALUES ($1, $2, $3)",
		m.Version, m.Name, m.Checksum)
	if err != nil {
		return &FailedError{Migration: *m, Err: errors.Join(errors.New("record it"), err)}
	}
	return nil
}

func (m *Migration) revert(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, m.Down); err != nil {
		return fmt.Errorf("take back migration %s: %w", m, err)
	}
	if _, err := tx.Exec(ctx, "DELETE FROM ledger_internal.migrations WHERE version = $1", m.Version); err != nil {
		return fmt.Errorf("take back migration %s: %w", m, err)
	}
	return nil
}
