package migrations

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Live is the schema of the tables that the public views show.
const Live = tablesSchema

// Exchange makes the tables of the schema next the live ones, and the live ones those of the schema
// retired, which must not exist: names, functions and public views. What was granted on the views, and
// their comments, stay.
//
// It waits for whoever reads a view, and readers wait behind it: for at most the given time together with
// its own work. Otherwise it fails, the transaction with it, and may be tried again; see ErrReadersBusy.
// It is to be the last statement of its transaction.
func Exchange(ctx context.Context, tx pgx.Tx, next, retired string, most time.Duration) error {
	for _, name := range []string{next, retired} {
		if !schemaName.MatchString(name) || name == Live {
			return fmt.Errorf("exchange tables: %q is no name of a second schema of tables", name)
		}
	}
	statements := []string{
		fmt.Sprintf("ALTER SCHEMA %s RENAME TO %s", Live, retired), fmt.Sprintf("ALTER SCHEMA %s RENAME TO %s", next, Live),
	}
	// Without a search_path every name in a definition is given with its schema.
	if _, err := tx.Exec(ctx, "SET LOCAL search_path TO ''"); err != nil {
		return fmt.Errorf("exchange tables: %w", err)
	}
	for _, moved := range []struct{ from, to string }{{Live, retired}, {next, Live}} {
		functions, err := definitions(ctx, tx, `SELECT p.proname::text, pg_catalog.pg_get_functiondef(p.oid)
			FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1 ORDER BY 1`, moved.from)
		if err != nil {
			return err
		}
		for _, f := range functions {
			statements = append(statements, renamed(f.Text, moved.from, moved.to))
		}
	}
	// The definitions are read before the schemas change their names, and mean the next tables after it.
	views, err := publicDefinitions(ctx, tx)
	if err != nil {
		return err
	}
	// Nobody who reads a view waits for schemas and functions, which do so much of the work that it is done before.
	if _, err := tx.Exec(ctx, block(statements)); err != nil {
		return fmt.Errorf("exchange tables: %w", err)
	}
	statements = statements[:0]
	changed := 0
	slices.SortStableFunc(views, func(a, b definition) int {
		return cmp.Compare(slices.Index(readMost, a.Name), slices.Index(readMost, b.Name))
	})
	for _, v := range views {
		if strings.Contains(v.Text, Live+".") {
			changed++
			statements = append(statements, "CREATE OR REPLACE VIEW "+pgx.Identifier{"ledger", v.Name}.Sanitize()+" AS "+v.Text)
		}
	}
	if changed == 0 {
		return fmt.Errorf("exchange tables: no view in schema ledger reads schema %s", Live)
	}
	// One statement, so that one limit is for all of it. The limit ends with it: a COMMIT that is canceled because the machine
	// is busy would undo an exchange that readers have waited for already.
	statements = append(statements, "SET LOCAL statement_timeout = 0")
	if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL statement_timeout = %d", max(1, most.Milliseconds()))); err != nil {
		return fmt.Errorf("exchange tables: %w", err)
	}
	if _, err := tx.Exec(ctx, block(statements)); err != nil {
		if isState(err, "57014", "55P03", "40P01") { // canceled by the timeout, lock not available, deadlock
			err = errors.Join(ErrReadersBusy, err)
		}
		return fmt.Errorf("exchange tables: %w", err)
	}
	return nil
}

// readMost are the views that are asked for one order at a time, most often. They change last: whoever reads a view waits from
// its change to the end of the transaction, so that their readers wait for the fewest others.
var readMost = []string{"dispute_timeline", "order_history", "disputes", "refunds", "payments", "orders"}

// ErrReadersBusy is what Exchange fails with when the public views were being read all the time.
var ErrReadersBusy = errors.New("migrations: the views are being read")

// ReadersBusy tells whether the transaction of an Exchange may be tried again: readers were in the way, or the limit of the
// exchange ran out when it had just ended, and canceled the COMMIT.
func ReadersBusy(err error) bool { return errors.Is(err, ErrReadersBusy) || isState(err, "57014") }

// CopyViews makes a schema with views like the public ones that read the tables of the schema tables. Comments are
// copied, and whoever may read a public view, or columns of it, may read its copy.
func CopyViews(ctx context.Context, tx pgx.Tx, into, tables string) error {
	if !schemaName.MatchString(tables) {
		return fmt.Errorf("copy the views: %q is no name of a schema of tables", tables)
	}
	if _, err := tx.Exec(ctx, "SET LOCAL search_path TO ''"); err != nil {
		return fmt.Errorf("copy the views: %w", err)
	}
	views, err := publicDefinitions(ctx, tx)
	if err != nil {
		return err
	}
	schema := pgx.Identifier{into}.Sanitize()
	if _, err := tx.Exec(ctx, "CREATE SCHEMA "+schema); err != nil {
		return fmt.Errorf("copy the views: %w", err)
	}
	for len(views) > 0 {
		var waiting []definition
		for _, v := range views {
			if readsOneOf(v.Text, views, v.Name) {
				waiting = append(waiting, v)
				continue
			}
			text := viewNames.ReplaceAllLiteralString(renamed(v.Text, Live, tables), schema+".")
			if _, err := tx.Exec(ctx, "CREATE VIEW "+schema+"."+pgx.Identifier{v.Name}.Sanitize()+" AS "+text); err != nil {
				return fmt.Errorf("copy view %s: %w", v.Name, err)
			}
		}
		if len(waiting) == len(views) {
			return errors.New("copy the views: they read each other in a circle")
		}
		views = waiting
	}
	if err := copyGrants(ctx, tx, into); err != nil {
		return err
	}
	return copyComments(ctx, tx, into)
}

// viewNames matches the schema of public views in a definition.
var viewNames = regexp.MustCompile(`\bledger\.`)

func readsOneOf(text string, views []definition, own string) bool {
	for _, v := range views {
		if v.Name != own && regexp.MustCompile(`\bledger\.`+regexp.QuoteMeta(v.Name)+`\b`).MatchString(text) {
			return true
		}
	}
	return false
}

// copyGrants grants on the copies what is granted on the public views, as far as it is about reading.
func copyGrants(ctx context.Context, tx pgx.Tx, into string) error {
	grants, err := definitions(ctx, tx, `
		SELECT '', pg_catalog.format('GRANT %s TO %s%s', g.what, CASE g.grantee WHEN 0 THEN 'PUBLIC'
		         ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END,
		         CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
		  FROM (
		    SELECT pg_catalog.format('USAGE ON SCHEMA %I', $1::text) AS what, a.grantee, a.is_grantable
		      FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
		     WHERE n.nspname = 'ledger' AND a.privilege_type = 'USAGE' AND a.grantee <> n.nspowner
		    UNION SELECT pg_catalog.format('SELECT ON %I.%I', $1::text, c.relname), a.grantee, a.is_grantable
		      FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
		     WHERE c.relkind = 'v' AND c.relnamespace = 'ledger'::pg_catalog.regnamespace AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner
		    UNION SELECT pg_catalog.format('SELECT (%I) ON %I.%I', t.attname, $1::text, c.relname), a.grantee, a.is_grantable
		      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid, pg_catalog.aclexplode(t.attacl) a
		     WHERE c.relkind = 'v' AND c.relnamespace = 'ledger'::pg_catalog.regnamespace AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner
		  ) g ORDER BY 2`, into)
	if err != nil || len(grants) == 0 {
		return err
	}
	statements := make([]string, len(grants))
	for i, g := range grants {
		statements[i] = g.Text
	}
	if _, err := tx.Exec(ctx, block(statements)); err != nil {
		return fmt.Errorf("grant on the copied views what is granted on the public ones: %w", err)
	}
	return nil
}

func copyComments(ctx context.Context, tx pgx.Tx, into string) error {
	comments, err := definitions(ctx, tx, `SELECT c.relname::text, pg_catalog.format('COMMENT ON %s IS %L',
		CASE d.objsubid WHEN 0 THEN pg_catalog.format('VIEW %I.%I', $1::text, c.relname)
		ELSE pg_catalog.format('COLUMN %I.%I.%I', $1::text, c.relname, a.attname) END, d.description)
		FROM pg_catalog.pg_description d
		JOIN pg_catalog.pg_class c ON c.oid = d.objoid AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
		LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid
		WHERE c.relkind = 'v' AND c.relnamespace = 'ledger'::pg_catalog.regnamespace ORDER BY 1, d.objsubid`, into)
	if err != nil || len(comments) == 0 {
		return err
	}
	statements := make([]string, len(comments))
	for i, c := range comments {
		statements[i] = c.Text
	}
	if _, err := tx.Exec(ctx, block(statements)); err != nil {
		return fmt.Errorf("copy the comments of the views: %w", err)
	}
	return nil
}

// definition is the SQL of something that has a name.
type definition struct{ Name, Text string }

func definitions(ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]definition, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read definitions: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[definition])
	if err != nil {
		return nil, fmt.Errorf("read definitions: %w", err)
	}
	return found, nil
}

func publicDefinitions(ctx context.Context, tx pgx.Tx) ([]definition, error) {
	return definitions(ctx, tx, `SELECT viewname::text, definition FROM pg_catalog.pg_views WHERE schemaname = 'ledger' ORDER BY 1`)
}

// renamed gives a definition with another schema of tables.
func renamed(text, from, to string) string {
	return regexp.MustCompile(`\b`+from+`\b`).ReplaceAllLiteralString(text, to)
}

// block makes one statement of several.
func block(statements []string) string {
	var b strings.Builder
	b.WriteString("DO $exchange$ BEGIN\n")
	for _, s := range statements {
		b.WriteString("EXECUTE $statement$" + s + "$statement$;\n")
	}
	b.WriteString("END $exchange$")
	return b.String()
}
