package migrations

import (
	"context"
		"fmt"
	"regexp"
	"slices"
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

// makesTables tells the migrations of what is behind the views from all others.
func (m *Migration) makesTables() bool {
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
		if !set[i].makesTables() {
			continue
		}
		if _, err := tx.Exec(ctx, strings.ReplaceAll(set[i].Up, tablesSchema, schema)); err != nil {
			return fmt.Errorf("create the tables of %s in schema %s: %w", set[i], schema, err)
		}
	}
	return nil
}

// PointViews makes all public views read the tables of the schema to instead of those of from. What was
// granted on the views, and their comments, stay. It waits for transactions that have read a view
// meanwhile, for as long as the transaction's lock_timeout allows, and readers wait behind it.
func PointViews(ctx context.Context, tx pgx.Tx, from, to string) error {
	if !schemaName.MatchString(from) || !schemaName.MatchString(to) {
		return fmt.Errorf("point the views from schema %q to %q: these are not names of schemas of tables", from, to)
	}
	// Without a search_path every name in a definition is given with its schema.
	if _, err := tx.Exec(ctx, "SET LOCAL search_path TO ''"); err != nil {
		return fmt.Errorf("point the views to schema %s: %w", to, err)
	}
	rows, err := tx.Query(ctx, `SELECT viewname, definition FROM pg_catalog.pg_views
		WHERE schemaname = 'ledger' ORDER BY viewname`)
	if err != nil {
		return fmt.Errorf("read the definitions of the views: %w", err)
	}
	type view struct{ Name, Definition string }
	views, err := pgx.CollectRows(rows, pgx.RowToStructByPos[view])
	if err != nil {
		return fmt.Errorf("read the definitions of the views: %w", err)
	}
	views = slices.DeleteFunc(views, func(v view) bool { return !strings.Contains(v.Definition, from+".") }) // reads other views
	if len(views) == 0 {
		return fmt.Errorf("point the views to schema %s: none in schema ledger reads schema %s", to, from)
	}
	for _, v := range views {
		_, err := tx.Exec(ctx, "CREATE OR REPLACE VIEW "+pgx.Identifier{"ledger", v.Name}.Sanitize()+" AS "+
			strings.ReplaceAll(v.Definition, from+".", to+"."))
		if err != nil {
			return fmt.Errorf("point view ledger.%s to schema %s: %w", v.Name, to, err)
		}
	}
	return nil
}
