package reports

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// arguments are what the functions of the reports take, in this order, each only where its report asks
// for it. from is a reserved word.
var arguments = []struct{ name, argument, kind, otherwise string }{
	{"as_of", "as_of", "timestamptz", "NULL"},
	{"as_at", "as_at", "date", "NULL"},
	{"from", "from_day", "date", "NULL"},
	{"through", "through_day", "date", "NULL"},
	{"up_to", "up_to", "bigint", "NULL"},
	{"known_from", "known_from", "timestamptz", "NULL"},
	{"source", "of_source", "text", "NULL"},
	{"source_account", "of_source_account", "text", "NULL"},
	{"entity", "of_entity", "text", "NULL"},
	{"daily", "daily", "boolean", "false"},
	{"memo", "memo", "boolean", "false"},
}

var parameter = regexp.MustCompile(`@([a-z_]+)`)

// parameters are the names of those that the statement has.
func (r Report) parameters() map[string]bool {
	asked := map[string]bool{}
	for _, found := range parameter.FindAllStringSubmatch(r.sql, -1) {
		asked[found[1]] = true
	}
	return asked
}

// Function is the name of the report's function in schema ledger.
func (r Report) Function() string { return "report_" + strings.ReplaceAll(r.Name, "-", "_") }

// Publish makes every report a function in schema ledger, like ledger.report_trial_balance(as_at => '2026-10-31'),
// so that who may read the views may ask what the ledger asks. Functions that stand already are left alone.
// It wants a connection of its own, and the rights of the owner of the schema.
func Publish(ctx context.Context, conn *pgx.Conn) error {
	published, err := stands(ctx, conn)
	if err != nil {
		return fmt.Errorf("publish the reports: %w", err)
	}
	for _, r := range All() {
		if err := r.publish(ctx, conn, published[r.Function()]); err != nil {
			return fmt.Errorf("publish report %s: %w", r.Name, err)
		}
	}
	return nil
}

// stands reads the functions that are there, with the digests of the statements that they were made from.
func stands(ctx context.Context, conn *pgx.Conn) (map[string]string, error) {
	rows, err := conn.Query(ctx, `SELECT proname, coalesce(obj_description(oid, 'pg_proc'), '') FROM pg_proc
		WHERE pronamespace = 'ledger'::regnamespace AND proname LIKE 'report\_%'`)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	var name, comment string
	_, err = pgx.ForEachRow(rows, []any{&name, &comment}, func() error {
		all[name] = comment
		return nil
	})
	return all, err
}

func (r Report) publish(ctx context.Context, conn *pgx.Conn, stands string) error {
	sum := sha256.Sum256([]byte(r.sql))
	comment := r.Title + " [" + hex.EncodeToString(sum[:6]) + "]"
	if stands == comment {
		return nil
	}
	asked := r.parameters()
	var takes []string
	numbers := map[string]string{}
	for _, a := range arguments {
		if asked[a.name] {
			takes = append(takes, a.argument+" "+a.kind+" DEFAULT "+a.otherwise)
			numbers[a.name] = "$" + strconv.Itoa(len(takes))
		}
	}
	body := parameter.ReplaceAllStringFunc(r.sql, func(found string) string { return numbers[found[1:]] })
	columns, err := columnsOf(ctx, conn, body)
	if err != nil {
		return err
	}
	name := pgx.Identifier{"ledger", r.Function()}.Sanitize()
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext('ledger.reports'))"); err != nil { // two ledgers may start at once
			return err
		}
		_, err := tx.Exec(ctx, `DO $do$ DECLARE f regprocedure; BEGIN
			FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'ledger'::regnamespace AND proname = '`+r.Function()+`' LOOP
				EXECUTE 'DROP FUNCTION ' || f;
			END LOOP; END $do$`)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "CREATE FUNCTION "+name+"("+strings.Join(takes, ", ")+") RETURNS TABLE ("+columns+
			") LANGUAGE sql STABLE AS $report$\n"+body+"\n$report$")
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "COMMENT ON FUNCTION "+name+" IS '"+strings.ReplaceAll(comment, "'", "''")+"'")
		return err
	})
}

// columnsOf asks the database what a statement answers.
func columnsOf(ctx context.Context, conn *pgx.Conn, statement string) (string, error) {
	described, err := conn.Prepare(ctx, "", statement)
	if err != nil {
		return "", err
	}
	var columns []string
	for _, field := range described.Fields {
		kind, ok := conn.TypeMap().TypeForOID(field.DataTypeOID)
		if !ok {
			return "", fmt.Errorf("column %s is of an unknown type", field.Name)
		}
		columns = append(columns, pgx.Identifier{field.Name}.Sanitize()+" "+kind.Name)
	}
	if len(slices.Compact(slices.Sorted(slices.Values(columns)))) != len(columns) {
		return "", fmt.Errorf("two columns have one name")
	}
	return strings.Join(columns, ", "), nil
}
