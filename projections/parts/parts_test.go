package parts_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
	"github.com/order-ledger/order-ledger/projections/parts"
)

// PostgreSQL decides in which part a row is.
func TestOf_IsThePartOfPostgreSQL(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var ids []string
	for length := range 60 {
		for range 20 {
			var id strings.Builder
			for range length {
				id.WriteRune([]rune("0123456789ABCDEFGHJKMNPQRSTVWXYZ-_ é€😀")[random.IntN(38)])
			}
			ids = append(ids, id.String())
		}
	}
	conn, err := pgx.Connect(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	if _, err := conn.Exec(t.Context(), "CREATE TEMP TABLE divided (id text NOT NULL) PARTITION BY HASH (id)"); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), `SELECT n FROM unnest($1::text[]) WITH ORDINALITY AS of (id, place), generate_series(0, $2 - 1) n
		WHERE satisfies_hash_partition('divided'::regclass, $2, n, id) ORDER BY place`, ids, parts.Count)
	if err != nil {
		t.Fatal(err)
	}
	want, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		t.Fatal(err)
	}
	if len(want) != len(ids) {
		t.Fatalf("%d parts of %d orders", len(want), len(ids))
	}
	var seen [parts.Count]int
	for i, id := range ids {
		if got := parts.Of(id); got != want[i] {
			t.Errorf("order %q is in part %d, PostgreSQL's is %d", id, got, want[i])
		}
		seen[want[i]]++
	}
	for part, n := range seen {
		if n < len(ids)/parts.Count/2 {
			t.Errorf("part %d has %d of %d orders", part, n, len(ids))
		}
	}
}
