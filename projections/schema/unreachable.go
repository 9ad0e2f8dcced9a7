package schema

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATEs that refuse a connection.
const (
	invalidPassword      = "28P01"
	invalidAuthorization = "28000"
	unknownDatabase      = "3D000"
)

// unreachableError says in one sentence why a database cannot be connected to, and what to do.
type unreachableError struct {
	text  string
	cause error
}

func (e *unreachableError) Error() string { return e.text }
func (e *unreachableError) Unwrap() error { return e.cause }

// ExplainConnect turns the driver's account of every address that it tried into one sentence.
func ExplainConnect(err error) error {
	var connect *pgconn.ConnectError
	var said *unreachableError
	if errors.As(err, &said) {
		return err
	}
	if !errors.As(err, &connect) || connect.Config == nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	where := net.JoinHostPort(connect.Config.Host, fmt.Sprint(connect.Config.Port))
	if strings.HasPrefix(connect.Config.Host, "/") {
		where = connect.Config.Host
	}
	say := func(format string, args ...any) error {
		return &unreachableError{text: fmt.Sprintf(format, args...), cause: err}
	}
	var refused *pgconn.PgError
	var unknown *net.DNSError
	var system syscall.Errno
	var network net.Error
	switch {
	case errors.As(err, &refused) && (refused.Code == invalidPassword || refused.Code == invalidAuthorization):
		return say("PostgreSQL at %s lets user %q not in (%s): correct them in the URL of the database", where, connect.Config.User, refused.Message)
	case errors.As(err, &refused) && refused.Code == unknownDatabase:
		return say("PostgreSQL at %s has no database %q: create it (createdb), or name another in the URL of the database", where, connect.Config.Database)
	case errors.As(err, &refused):
		return say("PostgreSQL at %s takes no connection: %s", where, refused.Message)
	case errors.As(err, &unknown):
		return say("the host %s of the database is not known (%s): correct the URL of the database", connect.Config.Host, unknown.Err)
	case errors.As(err, &system):
		return say("no PostgreSQL answers at %s (%s): start it, or correct the URL of the database", where, system.Error())
	case errors.As(err, &network) && network.Timeout():
		return say("no PostgreSQL answers at %s in time: is it there, and does a firewall let through?", where)
	}
	return fmt.Errorf("connect to the database: %w", err)
}

// ExplainQuery is ExplainConnect for a statement over a pool, which may have to connect first; other errors are returned as they
// are.
func ExplainQuery(err error) error {
	var connect *pgconn.ConnectError
	if !errors.As(err, &connect) {
		return err
	}
	return ExplainConnect(err)
}

// IsLost tells whether an error is that PostgreSQL went away, or cannot be connected to.
func IsLost(err error) bool {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.SeverityUnlocalized == "FATAL" // it ends the connection
	}
	var unreachable *unreachableError
	var connect *pgconn.ConnectError
	var network *net.OpError
	return errors.As(err, &unreachable) || errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF)
}
