package pgcopy_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/projections/internal/pgcopy"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
)

const table = `CREATE TEMP TABLE copied (n serial, number numeric, numbers text, texts text[], literal text[], at timestamptz, day date,
	word text, big bigint, small integer, id uuid, yes boolean)`

// Every value that is copied is what PostgreSQL reads from its text, the scale of numbers included.
func TestTable_CopiesWhatPostgreSQLReadsFromText(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	numbers := rapid.OneOf(
		rapid.StringMatching(`-?[0-9]{1,22}`), rapid.StringMatching(`-?[0-9]{1,18}\.[0-9]{1,9}`),
		rapid.SampledFrom([]string{"0", "0.00", "-0.0", "10000", "9999.9999", "0.0001", "0.00000001", "100000000", "1.10", ""}))
	rapid.Check(t, func(rt *rapid.T) {
		var rows pgcopy.Table
		count := rapid.IntRange(1, 20).Draw(rt, "rows")
		for range count {
			number := numbers.Draw(rt, "number")
			texts := rapid.SliceOfN(rapid.StringMatching(`[a-z_"\\{}, é]{0,6}`), 0, 4).Draw(rt, "texts")
			at := time.UnixMicro(rapid.Int64Range(-1e15, 4e15).Draw(rt, "at")).UTC()
			rows.Row(10)
			rows.KnownNumeric(number)
			rows.KnownText(number)
			rows.Texts(texts)
			rows.Time(at)
			rows.Date(at)
			rows.Text(at.Format("2006-01-02 15:04:05.999999Z07:00"))
			rows.Bigint(at.UnixMicro())
			rows.Integer(int32(len(texts)))
			rows.UUID([16]byte{1, 2, byte(len(texts))})
			rows.Boolean(len(texts) > 1)
		}
		tx, err := conn.Begin(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = tx.Rollback(t.Context()) }()
		err = rows.Copy(t.Context(), conn.PgConn(),
			"COPY copied (number, numbers, texts, at, day, word, big, small, id, yes) FROM STDIN (FORMAT binary)", nil)
		if err != nil {
			rt.Fatal(err)
		}
		var same int
		err = tx.QueryRow(t.Context(), `SELECT count(*) FROM copied WHERE number::text IS NOT DISTINCT FROM numbers::numeric::text
			AND at = word::timestamptz AND day = (word::timestamptz AT TIME ZONE 'UTC')::date AND small = cardinality(texts)
			AND yes = (cardinality(texts) > 1) AND id = ('0102' || lpad(to_hex(small), 2, '0') || repeat('0', 26))::uuid
			AND big = extract(epoch FROM at) * 1000000`).Scan(&same)
		if err != nil {
			rt.Fatal(err)
		}
		if same != count {
			rt.Fatalf("%d of %d rows are what they should be", same, count)
		}
	})
}

func TestTable_CopiesTextArraysAndNulls(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	want := []string{"a", `q"uo\te`, "", "{b,c}", "é"}
	var rows pgcopy.Table
	rows.Row(3)
	rows.Texts(want)
	rows.KnownTime(pgtype.Timestamptz{})
	rows.KnownText("")
	if err := rows.Copy(t.Context(), conn.PgConn(), "COPY copied (texts, at, word) FROM STDIN (FORMAT binary)", nil); err != nil {
		t.Fatal(err)
	}
	var got []string
	var unknown bool
	if err := conn.QueryRow(t.Context(), "SELECT texts, at IS NULL AND word IS NULL FROM copied").Scan(&got, &unknown); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) || !unknown {
		t.Fatalf("got %q, nulls %v", got, unknown)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("element %d is %q, want %q", i, got[i], want[i])
		}
	}
}

func TestTable_CopiesInPieces(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	const count, bytesEach = 1000, 1000
	var rows pgcopy.Table
	for round := range 2 {
		rows.Reset()
		for i := range count {
			rows.Row(2)
			rows.Bigint(int64(round*count + i))
			rows.Text(strings.Repeat("x", bytesEach))
		}
		rests := 0
		err := rows.Copy(t.Context(), conn.PgConn(), "COPY copied (big, word) FROM STDIN (FORMAT binary)", func(context.Context) { rests++ })
		if err != nil {
			t.Fatal(err)
		}
		if rests < 20 || rests > 80 {
			t.Errorf("%d rests in %d bytes", rests, count*bytesEach)
		}
	}
	var n, different int
	if err := conn.QueryRow(t.Context(), "SELECT count(*), count(DISTINCT big) FROM copied WHERE length(word) = $1", bytesEach).Scan(&n, &different); err != nil {
		t.Fatal(err)
	}
	if n != 2*count || different != n {
		t.Errorf("%d rows, %d different, of %d", n, different, 2*count)
	}
}

func TestTable_RefusesWhatIsNoNumber(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"NaN", "1e5", "--1", "1.", ".5", "12a", "١"} {
		var rows pgcopy.Table
		rows.Row(1)
		rows.Numeric(text)
		if err := rows.Copy(t.Context(), nil, "", nil); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
