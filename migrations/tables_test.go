package migrations_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/migrations"
)

// second is a schema of tables beside the live one.
const second = "ledger_data_2"

// withSecond returns a migrated database with a second, empty set of tables.
func withSecond(t *testing.T) *pgx.Conn {
	t.Helper()
	conn := migrated(t)
	inTransaction(t, conn, func(tx pgx.Tx) error { return migrations.CreateTables(t.Context(), tx, second) })
	return conn
}

func inTransaction(t *testing.T, conn *pgx.Conn, do func(pgx.Tx) error) {
	t.Helper()
	if err := pgx.BeginFunc(t.Context(), conn, do); err != nil {
		t.Fatal(err)
	}
}

func TestCreateTables_MakesTheSameAgainWithoutUsingTheFirst(t *testing.T) {
	t.Parallel()
	conn := withSecond(t)
	catalogue := func(schema string) []string {
		t.Helper()
		const query = `
			SELECT replace(line, $1::text || '.', '') FROM (
				SELECT format('%s %s %s %s %s', c.relname, c.relkind, a.attname, a.attnotnull,
				       format_type(a.atttypid, a.atttypmod)) AS line
				  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
				 WHERE c.relnamespace = $1::text::regnamespace
				UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = $1::text
				UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = $1::text::regnamespace
				UNION ALL SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
				 WHERE connamespace = $1::text::regnamespace
				UNION ALL SELECT c.relname || coalesce(c.reloptions::text, '') FROM pg_class c
				 WHERE c.relnamespace = $1::text::regnamespace
			) lines ORDER BY 1`
		rows, err := conn.Query(t.Context(), query, schema)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return lines
	}
	first := catalogue("ledger_data")
	if len(first) < 100 {
		t.Fatalf("only %d lines: the query sees nothing", len(first))
	}
	if diff := cmp.Diff(first, catalogue(second)); diff != "" {
		t.Error(diff)
	}
	if _, err := conn.Exec(t.Context(), "DROP SCHEMA "+second+" CASCADE"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, catalogue("ledger_data")); diff != "" {
		t.Errorf("dropping the second set changed the first: %s", diff)
	}
}

func TestCreateTables_RefusesNamesOfOtherSchemas(t *testing.T) {
	t.Parallel()
	conn := migrated(t)
	for _, name := range []string{"", "public", "ledger", "ledger_data; DROP SCHEMA ledger", `ledger_data_"x`, "ledger_data_X"} {
		err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			return migrations.CreateTables(t.Context(), tx, name)
		})
		if err == nil {
			t.Errorf("made tables in schema %q", name)
		}
	}
}

// Everything that the live tables hold shows in the views until they point elsewhere, and again when
// they point back; whoever could read the views still can.
func TestPointViews_ShowsTheOtherTablesAndKeepsGrants(t *testing.T) {
	t.Parallel()
	conn := withSecond(t)
	ctx := t.Context()
	const accountant = "pg_read_all_stats" // a predefined role, so that nothing outside of this database changes
	for _, sql := range []string{
		"UPDATE ledger_data.checkpoint SET commit_position = 1, prepare_position = 1",
		"UPDATE " + second + ".checkpoint SET commit_position = 2, prepare_position = 2",
		"GRANT USAGE ON SCHEMA ledger TO " + accountant,
		"GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO " + accountant,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	shown := func() (position int64) {
		t.Helper()
		inTransaction(t, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SET LOCAL ROLE "+accountant); err != nil {
				return err
			}
			for view := range contract() {
				if _, err := tx.Exec(ctx, "SELECT * FROM ledger."+view); err != nil {
					return err
				}
			}
			return tx.QueryRow(ctx, "SELECT position FROM ledger.checkpoint").Scan(&position)
		})
		return position
	}
	point := func(from, to string) {
		t.Helper()
		inTransaction(t, conn, func(tx pgx.Tx) error { return migrations.PointViews(ctx, tx, from, to) })
	}
	if got := shown(); got != 1 {
		t.Fatalf("before: position %d", got)
	}
	point("ledger_data", second)
	if got := shown(); got != 2 {
		t.Errorf("after: position %d", got)
	}
	if n := viewsReading(ctx, t, conn, "ledger_data"); n != 0 {
		t.Errorf("%d views still read the first tables", n)
	}
	if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		return migrations.PointViews(ctx, tx, "ledger_data", second)
	}); err == nil {
		t.Error("pointed views away from tables that they do not read")
	}
	point(second, "ledger_data")
	if got := shown(); got != 1 {
		t.Errorf("and back: position %d", got)
	}
}

// viewsReading counts the public views that depend on relations of a schema.
func viewsReading(ctx context.Context, t *testing.T, conn *pgx.Conn, schema string) (n int) {
	t.Helper()
	err := conn.QueryRow(ctx, `
		SELECT count(DISTINCT r.ev_class) FROM pg_rewrite r
		  JOIN pg_class v ON v.oid = r.ev_class AND v.relnamespace = 'ledger'::regnamespace
		  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
		  JOIN pg_class c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid
		 WHERE c.relnamespace = $1::text::regnamespace`, schema).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
