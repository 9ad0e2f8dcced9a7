package rebuild

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// twoValues are two different values of each type that tables have.
var twoValues = map[string][2]string{
	"bigint": {"1", "2"}, "integer": {"1", "2"}, "smallint": {"1", "2"}, "boolean": {"false", "true"}, "text": {"'a'", "'b'"},
	"numeric": {"12.5", "12.50"}, "text[]": {"'{a,b}'", "'{b,a}'"}, "jsonb": {`'{"a": 1.0}'`, `'{"a": 1.00}'`}, "date": {"'2026-10-01'", "'2026-10-02'"},
	"timestamp with time zone": {"'2026-10-01 12:00:00.000001Z'", "'2026-10-01 12:00:00.000002Z'"},
	"uuid":                     {"'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000002'"},
}

// A difference in any column of any table changes the hash of its row: another value, sign or scale, and no value. All hashes of such rows
// differ, so that two columns cannot exchange what they hold either.
func TestHash_IsOfEveryColumn(t *testing.T) {
	t.Parallel()
	url := pgtest.Prepared(t, "hash", func(ctx context.Context, conn *pgx.Conn) error {
		_, err := migrations.Apply(ctx, conn, migrations.Options{})
		return err
	})
	conn, err := schema.Connect(t.Context(), url, schema.Live)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	tables, err := comparedTables(t.Context(), conn, schema.Live)
	if err != nil {
		t.Fatal(err)
	}
	if len(tables) < 15 {
		t.Fatalf("%d tables", len(tables))
	}
	for i := range tables {
		tried := &tables[i]
		shape := pgx.Identifier{tried.Name}.Sanitize()
		if _, err := conn.Exec(t.Context(), "CREATE TEMP TABLE tried AS SELECT * FROM "+shape); err != nil { // without its checks
			t.Fatal(err)
		}
		seen := make(map[int64]string)
		try := func(what string, values []string) {
			t.Helper()
			var hash, again int64
			query := fmt.Sprintf("WITH row AS (INSERT INTO tried (%s) VALUES (%s) RETURNING *) SELECT %s FROM row", namesOf(tried), strings.Join(values, ", "), tried.Hash)
			for _, into := range []*int64{&hash, &again} {
				if err := conn.QueryRow(t.Context(), query).Scan(into); err != nil {
					t.Fatalf("%s: %v", query, err)
				}
			}
			if hash != again {
				t.Errorf("%s: %s has two hashes", tried.Name, what)
			}
			if other, ok := seen[hash]; ok {
				t.Errorf("%s: %s has the hash of %s", tried.Name, what, other)
			}
			seen[hash] = what
		}
		var first []string
		for _, c := range tried.Columns {
			two, ok := twoValues[c.Type]
			if !ok {
				t.Fatalf("%s.%s is of type %s, of which this test has no values", tried.Name, c.Name, c.Type)
			}
			first = append(first, two[0])
		}
		try("the first row", first)
		for c, of := range tried.Columns {
			changed := append([]string(nil), first...)
			changed[c] = twoValues[of.Type][1]
			try("another "+of.Name, changed)
			if of.Type == "numeric" {
				changed = append([]string(nil), first...)
				changed[c] = "-" + first[c]
				try("the other sign of "+of.Name, changed)
			}
			if !of.NotNull {
				changed = append([]string(nil), first...)
				changed[c] = "NULL"
				try("no "+of.Name, changed)
			}
		}
		if _, err := conn.Exec(t.Context(), "DROP TABLE tried"); err != nil {
			t.Fatal(err)
		}
	}
}

// The numbers that a proof keeps mean something only to a program that hashes alike: whoever changes how rows are hashed, or which slice
// they are of, raises proofMethod and writes the new form here.
func TestHash_ChangesWithTheMethod(t *testing.T) {
	t.Parallel()
	row := table{Key: []string{"order_id"}, Columns: []columnOf{
		{"amount", "numeric", true}, {"at", "timestamp with time zone", true}, {"data", "jsonb", true}, {"fee", "numeric", false},
		{"flags", "text[]", true}, {"line", "integer", true}, {"order_id", "text", true}, {"position", "bigint", true},
	}}
	const form = `1: hashint8extended("position", hashtextextended("order_id", hashint4extended("line", hashtextextended("data"::text, ` +
		`hashtextextended("amount"::text, hash_record_extended(ROW("at", "flags"), 2036494046) # coalesce(hashtextextended("fee"::text, 1), 1))))))` +
		` of (hashtextextended("order_id"::text, 0) & 1023)::int`
	if got := fmt.Sprintf("%d: %s of %s", proofMethod, hashOf(row.Columns), row.slice()); got != form {
		t.Errorf("%s, want %s", got, form)
	}
}

func namesOf(t *table) string {
	var names []string
	for _, c := range t.Columns {
		names = append(names, pgx.Identifier{c.Name}.Sanitize())
	}
	return strings.Join(names, ", ")
}
