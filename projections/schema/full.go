package schema

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// diskFull is the SQLSTATE of a statement that found no room on PostgreSQL's disk.
const diskFull = "53100"

// ExplainFull puts before the error of a statement that found no room on PostgreSQL's disk what is to be done about it, and
// what happens then. Other errors are returned as they are.
func ExplainFull(err error, then string) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != diskFull {
		return err
	}
	return fmt.Errorf("the disk of PostgreSQL is full: make room on it, and %s: %w", then, err)
}
