// Package schema says in which schema of the database the statements of the read models work.
//
// Statements that write or check the tables behind the views name no schema: the search_path of their
// connection decides, so that the same code moves the live tables and a second set of them beside.
// Readers name the views of schema ledger, which everybody shares.
package schema

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Live is the schema that migrations create the tables in.
const Live = "ledger_data"

// Use makes connections that are opened with config work on the tables of the schema name. It is set
// after connecting and not as a startup parameter, which connection poolers refuse.
func Use(config *pgx.ConnConfig, name string) {
	before := config.AfterConnect
	statement := "SET search_path TO " + pgx.Identifier{name}.Sanitize()
	config.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		if before != nil {
			if err := before(ctx, conn); err != nil {
				return err
			}
		}
		if _, err := conn.Exec(ctx, statement).ReadAll(); err != nil {
			return fmt.Errorf("work in schema %s: %w", name, err)
		}
		return nil
	}
}

// Connect opens a connection to the database at url that works on the tables of the schema name.
func Connect(ctx context.Context, url, name string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read the URL of the database: %w", err)
	}
	Use(config, name)
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, ExplainConnect(err)
	}
	return conn, nil
}
