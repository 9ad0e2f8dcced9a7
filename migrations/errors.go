package migrations

import (
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
)

// EditedError means that a migration was changed after it had been applied to this database.
type EditedError struct {
	Migration Migration
	// Applied is the checksum that was stored when it was applied.
	Applied string
}

func (e *EditedError) Error() string {
	return fmt.Sprintf("migration %s was edited after it had been applied to this database "+
		"(checksum %.12s, applied was %.12s): restore the file and add a new migration instead",
		e.Migration, e.Migration.Checksum, e.Applied)
}

// NewerError means that a newer ledger has been at this database.
type NewerError struct {
	// Database is the newest version that is applied, Known the newest that this binary knows.
	Database, Known int
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("the database schema has version %d and this ledger knows versions up to %d: "+
		"run the newer ledger, or use another database", e.Database, e.Known)
}

// FailedError means that the SQL of a migration failed. What was applied before it stays applied.
type FailedError struct {
	Migration Migration
	Err       error
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("apply migration %s: %v", e.Migration, e.Err)
}

// Unwrap returns the cause, often a *pgconn.PgError.
func (e *FailedError) Unwrap() error { return e.Err }

// isState tells whether PostgreSQL failed with one of these SQLSTATEs.
func isState(err error, states ...string) bool {
	var failure *pgconn.PgError
	return errors.As(err, &failure) && slices.Contains(states, failure.Code)
}
