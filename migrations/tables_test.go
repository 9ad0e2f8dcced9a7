package migrations_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/migrations"
)

// second and third are schemas of tables beside the live one.
const second, third = "ledger_data_2", "ledger_data_3"

// deadline is long enough for any exchange.
const deadline = time.Minute

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
	first := catalogue(t, conn, "ledger_data")
	if len(first) < 100 {
		t.Fatalf("only %d lines: the query sees nothing", len(first))
	}
	if diff := cmp.Diff(first, catalogue(t, conn, second)); diff != "" {
		t.Error(diff)
	}
	if _, err := conn.Exec(t.Context(), "DROP SCHEMA "+second+" CASCADE"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, catalogue(t, conn, "ledger_data")); diff != "" {
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

// Everything that the live tables hold shows in the views until others take their place, and again when
// they come back; whoever could read the views still can.
func TestExchange_ShowsTheOtherTablesAndKeepsGrants(t *testing.T) {
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
	exchange := func(next, retired string) {
		t.Helper()
		inTransaction(t, conn, func(tx pgx.Tx) error {
			return migrations.Exchange(ctx, tx, next, retired, deadline)
		})
	}
	if got := shown(); got != 1 {
		t.Fatalf("before: position %d", got)
	}
	before := catalogue(t, conn, migrations.Live)
	exchange(second, third)
	if got := shown(); got != 2 {
		t.Errorf("after: position %d", got)
	}
	if n := viewsReading(ctx, t, conn, third); n != 0 {
		t.Errorf("%d views still read the first tables", n)
	}
	for _, schema := range []string{migrations.Live, third} {
		if diff := cmp.Diff(before, catalogue(t, conn, schema)); diff != "" {
			t.Errorf("schema %s is not as it was: %s", schema, diff)
		}
	}
	// Its functions move its own checkpoint.
	for schema, want := range map[string]int64{migrations.Live: 2, third: 1} {
		var got int64
		if err := conn.QueryRow(ctx, "SELECT commit_position FROM "+schema+".take_checkpoint()").Scan(&got); err != nil || got != want {
			t.Errorf("the checkpoint of %s is %d, %v, want %d", schema, got, err, want)
		}
	}
	exchange(third, second)
	if got := shown(); got != 1 {
		t.Errorf("and back: position %d", got)
	}
}

// Whoever reads a view makes an exchange fail in time, and nothing of it stays.
func TestExchange_GivesUpWhileAViewIsRead(t *testing.T) {
	t.Parallel()
	conn := withSecond(t)
	reader := connect(t, conn.Config().ConnString())
	reading, err := reader.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reading.Exec(t.Context(), "SELECT * FROM ledger.orders"); err != nil {
		t.Fatal(err)
	}
	before := catalogue(t, conn, migrations.Live)
	attempt := func() error {
		return pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			return migrations.Exchange(t.Context(), tx, second, third, 200*time.Millisecond)
		})
	}
	if err := attempt(); !errors.Is(err, migrations.ErrReadersBusy) {
		t.Fatalf("it ended with %v", err)
	}
	if diff := cmp.Diff(before, catalogue(t, conn, migrations.Live)); diff != "" {
		t.Error(diff)
	}
	if err := reading.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		return migrations.Exchange(t.Context(), tx, second, third, deadline)
	}); err != nil {
		t.Fatal(err)
	}
}

// A copy of the views shows other tables, and says what it means.
func TestCopyViews_ShowsOtherTablesUnderTheSameNames(t *testing.T) {
	t.Parallel()
	conn := withSecond(t)
	if _, err := conn.Exec(t.Context(), "CREATE VIEW ledger.about AS SELECT position FROM ledger.checkpoint; UPDATE "+second+
		".checkpoint SET commit_position = 7, prepare_position = 7"); err != nil {
		t.Fatal(err)
	}
	inTransaction(t, conn, func(tx pgx.Tx) error { return migrations.CopyViews(t.Context(), tx, "month end", second) })
	var position int64
	var comment string
	err := conn.QueryRow(t.Context(), `SELECT position, col_description('"month end".orders'::regclass, 1) FROM "month end".about`).Scan(&position, &comment)
	if err != nil || position != 7 || comment == "" {
		t.Errorf("position %d, comment %q, %v", position, comment, err)
	}
	if _, err := conn.Exec(t.Context(), `DROP SCHEMA ledger CASCADE`); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(t.Context(), `SELECT position FROM "month end".about`).Scan(&position); err != nil {
		t.Errorf("the copy needs the views: %v", err)
	}
}

// Whoever may read the public views may read their copies, and no more of them.
func TestCopyViews_CopiesGrants(t *testing.T) {
	t.Parallel()
	conn := withSecond(t)
	ctx := t.Context()
	// Predefined roles, so that nothing outside of this database changes.
	const accountant, auditor, stranger = "pg_read_all_stats", "pg_read_all_settings", "pg_signal_backend"
	for _, sql := range []string{
		"GRANT USAGE ON SCHEMA ledger TO " + accountant + ", " + auditor,
		"GRANT SELECT ON ledger.orders TO " + accountant + " WITH GRANT OPTION",
		"GRANT SELECT (order_id, captured) ON ledger.orders TO " + auditor,
		"GRANT SELECT ON ledger.accounts TO PUBLIC",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	inTransaction(t, conn, func(tx pgx.Tx) error { return migrations.CopyViews(ctx, tx, "month", second) })
	for _, may := range []struct {
		sql  string
		want bool
	}{
		{"SELECT has_schema_privilege('" + accountant + "', 'month', 'USAGE')", true},
		{"SELECT has_schema_privilege('" + stranger + "', 'month', 'USAGE')", false},
		{"SELECT has_schema_privilege('" + accountant + "', 'month', 'CREATE')", false},
		{"SELECT has_table_privilege('" + accountant + "', 'month.orders', 'SELECT WITH GRANT OPTION')", true},
		{"SELECT has_table_privilege('" + accountant + "', 'month.payments', 'SELECT')", false},
		{"SELECT has_table_privilege('" + accountant + "', 'month.orders', 'UPDATE')", false},
		{"SELECT has_column_privilege('" + auditor + "', 'month.orders', 'captured', 'SELECT')", true},
		{"SELECT has_column_privilege('" + auditor + "', 'month.orders', 'refunded', 'SELECT')", false},
		{"SELECT has_table_privilege('" + stranger + "', 'month.accounts', 'SELECT')", true},
		{"SELECT has_table_privilege('" + stranger + "', 'month.orders', 'SELECT')", false},
	} {
		var got bool
		if err := conn.QueryRow(ctx, may.sql).Scan(&got); err != nil || got != may.want {
			t.Errorf("%s: %t, %v", may.sql, got, err)
		}
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

// catalogue describes everything in a schema, without its name.
func catalogue(t *testing.T, conn *pgx.Conn, schema string) []string {
	t.Helper()
	const query = `
		SELECT regexp_replace(line, '\m' || $1::text || '\.', '', 'g') FROM (
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
