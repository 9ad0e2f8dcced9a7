package storable_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
)

// TestJSON_PostgresHoldsWhatIsKept asks the real judge: a text that JSON lets through and jsonb
// refuses would fail everybody who reads the order's history.
func TestJSON_PostgresHoldsWhatIsKept(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat(`[`, n) + strings.Repeat(`]`, n) }
	texts := []string{
		deep(100), deep(101), deep(100_000), `1e1000`, `-1E-1000`, `1e1001`, `1e400000`, `1e-20000`, `{"a":1e999999999999999999999}`,
		strings.Repeat("9", 1000), strings.Repeat("9", 200_000), `0.` + strings.Repeat("1", 20_000),
		`"\u0000"`, `"\\u0000"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ud83d\u0041"`, `{"\u0000":1}`, "\"\x7f\"", `"` + strings.Repeat("x", 1<<20) + `"`,
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		texts = append(texts, randomJSON(random, 0))
	}
	kept := make([]string, 0, len(texts))
	for _, text := range texts {
		if got := string(storable.JSON([]byte(text), false)); got == text {
			kept = append(kept, text)
		}
	}
	if len(kept) < len(texts)/4 || len(kept) == len(texts) {
		t.Fatalf("%d of %d texts are kept: the test shows nothing", len(kept), len(texts))
	}
	conn, err := pgx.Connect(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	const one = "SELECT $1::text::jsonb IS NOT NULL"
	for _, text := range kept {
		var ok bool
		if err := conn.QueryRow(t.Context(), one, text).Scan(&ok); err != nil {
			t.Errorf("kept, and refused by PostgreSQL: %.200s: %v", text, err)
		}
	}
}

// randomJSON is valid JSON with much of what jsonb does not hold.
func randomJSON(r *rand.Rand, depth int) string {
	switch n := r.IntN(8); {
	case n < 2 && depth < 5:
		var b strings.Builder
		for i := range r.IntN(4) {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(randomString(r) + ":" + randomJSON(r, depth+1))
		}
		return "{" + b.String() + "}"
	case n < 4 && depth < 5:
		return "[" + randomJSON(r, depth+1) + " , " + randomJSON(r, depth+1) + "]"
	case n < 6:
		return randomString(r)
	case n < 7:
		return fmt.Sprintf("-%d.%de%+d", r.IntN(10), r.IntN(1000), r.IntN(200_000)-100_000)
	default:
		return fmt.Sprintf("%de%d", r.IntN(100), r.IntN(1100))
	}
}

func randomString(r *rand.Rand) string {
	parts := []string{`\u0000`, `\ud83d`, `\ude00`, `\ud83d\ude00`, `\\`, `\"`, `é`, `a`, `{`, `1e9`, `\n`, `u0000`}
	var b strings.Builder
	for range r.IntN(4) {
		b.WriteString(parts[r.IntN(len(parts))])
	}
	return `"` + b.String() + `"`
}
