package migrations

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

// tablesSchema is the schema that the migrations name.
const tablesSchema = "ledger_data"

// schemaName keeps schemas of tables apart from those of others, and their names free of quotes.
var schemaName = regexp.MustCompile(`^ledger_data(_[a-z0-9]+)*$`)

// publicViews matches migrations of the public views, behindViews those of what is behind them; none is both.
// Others make what there is only one of, like the state of rebuilds.
var (
	publicViews = regexp.MustCompile(`(?i)\bCREATE\s+(OR\s+REPLACE\s+)?(VIEW|SCHEMA)\s+ledger\b`)
	behindViews = regexp.MustCompile(`\b` + tablesSchema + `\b`)
)

// MakesTables tells the migrations of what is behind the views from all others.
func (m *Migration) MakesTables() bool {
	return behindViews.MatchString(m.Up) && !publicViews.MatchString(m.Up)
}

// CreateTables makes a second, empty set of everything that the migrations make behind the views
// (tables with their keys, indexes and checks, and functions), in a new schema. Its name begins with
// ledger_data and has only lower-case letters, digits and underscores.
func CreateTables(ctx context.Context, tx pgx.Tx, schema string) error {
	if !schemaName.MatchString(schema) {
		return fmt.Errorf("create tables in schema %q: its name is not like %s_2", schema, tablesSchema)
	}
	set, err := Ledger()
	if err != nil {
		return err
	}
	for i := range set {
		if !set[i].MakesTables() {
			continue
		}
		if _, err := tx.Exec(ctx, strings.ReplaceAll(set[i].Up, tablesSchema, schema)); err != nil {
			return fmt.Errorf("create the tables of %s in schema %s: %w", set[i], schema, err)
		}
	}
	return nil
}
