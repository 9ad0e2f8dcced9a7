package export_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/csv"
	"errors"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/parquet-go/parquet-go"
	"github.com/shopspring/decimal"

	"github.com/order-ledger/order-ledger/cmd/internal/export"
	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections/localpg/pgtest"
	"github.com/order-ledger/order-ledger/projections/reports"
)

// books is a database with n entries of two lines, three a day from 2026-09-28 on.
func books(t testing.TB, n int) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := migrations.Apply(t.Context(), conn.Conn(), migrations.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `
		INSERT INTO ledger_data.journal_lines (order_id, revision, line, position, event_id, posting_date, value_date, recorded_at, account,
		  currency, amount, source, source_account)
		SELECT 'o' || i / 4, i % 4, line, i * 10, md5(i::text)::uuid, date '2026-09-28' + i / 3, date '2026-09-28' + i / 3,
		  timestamptz '2026-09-28 10:00Z' + i * interval '1 minute', CASE line WHEN 1 THEN '1100' ELSE '1200' END,
		  CASE i % 3 WHEN 0 THEN 'EUR' WHEN 1 THEN 'JPY' ELSE 'BHD' END,
		  CASE line WHEN 1 THEN 1 ELSE -1 END * (i % 97 + 1), 'decta', CASE WHEN i % 5 = 0 THEN '=1+1' ELSE 'a "b", c' END
		FROM generate_series(1, $1::int) AS i, generate_series(1, 2) AS line`, n); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "UPDATE ledger_data.checkpoint SET commit_position = $1, prepare_position = $1", n*10); err != nil {
		t.Fatal(err)
	}
	return pool
}

func key() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
}

func otherKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
}

func october(t *testing.T) reports.Params {
	t.Helper()
	month, err := accounting.ParsePeriod("2026-10")
	if err != nil {
		t.Fatal(err)
	}
	var p reports.Params
	p.Period(month)
	return p
}

func journal(f export.Format, p reports.Params, out string) export.Job {
	return export.Job{Spec: export.Spec{What: export.Journal, Format: f, Views: "ledger", Params: p}, Out: out, Sign: key()}
}

func run(t *testing.T, pool *pgxpool.Pool, j export.Job) (export.Manifest, []byte) {
	t.Helper()
	m, err := j.Run(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(j.Out)
	if err != nil {
		t.Fatal(err)
	}
	return m, text
}

// TestFormats: the same rows are the same bytes whenever they are written, and every format holds the same.
func TestFormats(t *testing.T) {
	t.Parallel()
	pool := books(t, 300)
	dir := t.TempDir()
	var lines [][]string
	for _, f := range export.Formats() {
		first, text := run(t, pool, journal(f, october(t), filepath.Join(dir, "first."+string(f))))
		again, same := run(t, pool, journal(f, october(t), filepath.Join(dir, "again."+string(f))))
		if !bytes.Equal(text, same) || first.SHA256 != again.SHA256 || first.Rows != again.Rows || first.Rows == 0 {
			t.Errorf("%s: written twice, it differs", f)
		}
		if _, err := export.Verify(filepath.Join(dir, "first."+string(f)+".manifest.json"), first.PublicKey); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		switch f {
		case export.CSV:
			var err error
			if lines, err = csv.NewReader(bytes.NewReader(text)).ReadAll(); err != nil || int64(len(lines)) != first.Rows+1 {
				t.Fatalf("%v: %d lines, %d rows", err, len(lines), first.Rows)
			}
			if lines[1][15] != "90" || lines[2][15] != "90" || lines[3][15] != "100" {
				t.Errorf("not in the order of the log: %v", lines[1:4])
			}
			if !strings.Contains(string(text), `,'=1+1,`) || strings.Contains(string(text), ",=1+1") {
				t.Error("a formula got through")
			}
		case export.JSONLines:
			if n := bytes.Count(text, []byte("\n")); int64(n) != first.Rows || !bytes.Contains(text, []byte(`"debit":"`)) {
				t.Errorf("%d lines: %s", n, text[:200])
			}
		case export.Parquet:
			sameAsCSV(t, text, lines)
		case export.XLSX, export.Hledger, export.Beancount:
		}
	}
}

// sameAsCSV compares a Parquet file with the lines of the CSV file, but for formulas made inert.
func sameAsCSV(t *testing.T, text []byte, lines [][]string) {
	t.Helper()
	file, err := parquet.OpenFile(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(journalSchema, file.Schema().String()); diff != "" {
		t.Errorf("the schema (-want):\n%s", diff)
	}
	rows := parquetRows(t, file)
	if len(rows) != len(lines)-1 {
		t.Fatalf("%d rows, want %d", len(rows), len(lines)-1)
	}
	for i, row := range rows {
		for j, name := range lines[0] {
			got, want := row[j], strings.TrimPrefix(lines[i+1][j], "'")
			if name == "debit" || name == "credit" {
				want = decimal.RequireFromString(want).StringFixed(4)
			}
			if got != want {
				t.Fatalf("row %d: %s is %q, want %q", i+1, name, got, want)
			}
		}
	}
}

const journalSchema = `message rows {
	required binary entry_id (STRING);
	required binary event_id (STRING);
	required binary order_id (STRING);
	required int64 revision (INT(64,true));
	required int64 line (INT(64,true));
	required int32 posting_date (DATE);
	required int32 value_date (DATE);
	required int64 recorded_at (TIMESTAMP(isAdjustedToUTC=true,unit=MICROS));
	required binary account (STRING);
	required binary currency (STRING);
	required fixed_len_byte_array(16) debit (DECIMAL(38,4));
	required fixed_len_byte_array(16) credit (DECIMAL(38,4));
	required binary source (STRING);
	required binary source_account (STRING);
	required boolean late_posting;
	required int64 position (INT(64,true));
	required binary entity (STRING);
}`

// parquetRows reads all values as texts: amounts with all decimals of their type, unknown ones as NULL.
func parquetRows(t *testing.T, file *parquet.File) [][]string {
	t.Helper()
	columns := file.Root().Columns()
	var all [][]string
	for _, group := range file.RowGroups() {
		rows := group.Rows()
		buffer := make([]parquet.Row, 64)
		for {
			n, err := rows.ReadRows(buffer)
			for _, row := range buffer[:n] {
				texts := make([]string, len(row))
				for i, v := range row {
					texts[i] = parquetText(v, columns[i].Type())
				}
				all = append(all, texts)
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func parquetText(v parquet.Value, kind parquet.Type) string {
	logical := kind.LogicalType()
	switch {
	case v.IsNull():
		return "NULL"
	case logical != nil && logical.Date != nil:
		return time.Unix(int64(v.Int32())*24*60*60, 0).UTC().Format(time.DateOnly)
	case logical != nil && logical.Timestamp != nil:
		return time.UnixMicro(v.Int64()).UTC().Format("2006-01-02T15:04:05.000000Z")
	case logical != nil && logical.Decimal != nil:
		n := new(big.Int).SetBytes(v.ByteArray())
		if v.ByteArray()[0] >= 0x80 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), 8*16))
		}
		return decimal.NewFromBigInt(n, -logical.Decimal.Scale).StringFixed(logical.Decimal.Scale)
	}
	return v.String()
}

// TestParquetDecimals: amounts of either sign and of any size that sums may have are exact, and no bounds of theirs
// make a reader skip them.
func TestParquetDecimals(t *testing.T) {
	t.Parallel()
	pool := books(t, 3)
	if _, err := pool.Exec(t.Context(), `CREATE SCHEMA wide; CREATE VIEW wide.checkpoint AS SELECT * FROM ledger.checkpoint;
		CREATE VIEW wide.orders AS SELECT 'o' || n AS order_id, 'decta' AS source, 'a' AS source_account, NULL::text AS source_order_id,
		  NULL::text AS merchant_reference, 'BHD' AS currency, 0 AS amount_due, 0 AS authorised, 0 AS expected, 0 AS captured, 0 AS settled,
		  0 AS received_externally, 0 AS reversed, 0 AS refund_pending, 0 AS refunded, 0 AS dispute_held, 0 AS dispute_lost, 0 AS gross_paid,
		  net, NULL::numeric AS overpaid, 'PAID' AS payment_state, 'NONE' AS refund_state, 'NONE' AS dispute_state, 'OPEN' AS lifecycle,
		  NULL::text AS gateway_status, '{a,b}'::text[] AS flags, now() AS first_recorded_at, now() AS last_recorded_at, 0 AS revision, n AS position
		FROM (VALUES (1, 12.5), (2, -0.001), (3, 0), (4, 999999999999999999.999), (5, -999999999999999999.999), (6, 922337203685477.581)) AS v (n, net)`); err != nil {
		t.Fatal(err)
	}
	_, text := run(t, pool, export.Job{Spec: export.Spec{What: export.Orders, Format: export.Parquet, Views: "wide"}, Out: filepath.Join(t.TempDir(), "orders"), Sign: key()})
	file, err := parquet.OpenFile(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	net, _ := file.Schema().Lookup("net")
	overpaid, _ := file.Schema().Lookup("overpaid")
	var got []string
	for _, row := range parquetRows(t, file) {
		got = append(got, row[net.ColumnIndex])
		if row[overpaid.ColumnIndex] != "NULL" {
			t.Errorf("an amount that is unknown is %s", row[overpaid.ColumnIndex])
		}
	}
	if diff := cmp.Diff([]string{"12.5000", "-0.0010", "0.0000", "999999999999999999.9990", "-999999999999999999.9990", "922337203685477.5810"}, got); diff != "" {
		t.Errorf("(-want):\n%s", diff)
	}
	if bounds := file.Metadata().RowGroups[0].Columns[net.ColumnIndex].MetaData.Statistics; bounds.MinValue != nil || bounds.MaxValue != nil {
		t.Errorf("bounds %x to %x", bounds.MinValue, bounds.MaxValue)
	}
}

// TestAccountingPrograms: hledger and Beancount accept the books, and have the balances of the manifest. CI installs both.
func TestAccountingPrograms(t *testing.T) {
	t.Parallel()
	pool := books(t, 200)
	dir := t.TempDir()
	for f, program := range map[export.Format]struct{ check, balances []string }{
		export.Hledger: {[]string{"hledger", "check", "-f"}, []string{"hledger", "balance", "--flat", "--layout=bare", "--no-total", "-O", "csv", "-f"}},
		export.Beancount: {
			[]string{"bean-check"},
			[]string{"bean-query", "-q", "-f", "csv", "-m", "FILE", "SELECT account, currency, sum(number) AS n GROUP BY account, currency"},
		},
	} {
		if _, err := exec.LookPath(program.check[0]); err != nil {
			if os.Getenv("CI") != "" {
				t.Errorf("%s is not installed, and CI is to install it", program.check[0])
			}
			t.Logf("%s is not installed: its file is not read", program.check[0])
			continue
		}
		for name, p := range map[string]reports.Params{"all": {}, "october": october(t)} {
			out := filepath.Join(dir, name+"."+string(f))
			m, text := run(t, pool, journal(f, p, out))
			if told, err := exec.CommandContext(t.Context(), program.check[0], append(program.check[1:], out)...).CombinedOutput(); err != nil {
				t.Errorf("%s refuses %s: %v: %s", program.check[0], name, err, told)
			}
			wantBalances(t, m, asked(t, program.balances, out))
			// The check can fail: another closing balance is refused.
			closing := m.Balances[0].Closing + " " + m.Balances[0].Currency
			at := bytes.LastIndex(text, []byte(closing))
			wrong := append(append(bytes.Clone(text[:at]), '9'), text[at:]...)
			if err := os.WriteFile(out, wrong, 0o600); err != nil {
				t.Fatal(err)
			}
			if told, err := exec.CommandContext(t.Context(), program.check[0], append(program.check[1:], out)...).CombinedOutput(); err == nil {
				t.Errorf("%s accepts a wrong closing balance in %s: %s", program.check[0], name, told)
			}
		}
	}
}

// asked runs a program that prints balances as CSV: account, currency, amount.
func asked(t *testing.T, program []string, file string) [][]string {
	t.Helper()
	args := append(slices.Clone(program[1:]), file)
	if i := slices.Index(args, "FILE"); i >= 0 {
		args = args[:len(args)-1]
		args[i] = file
	}
	said, err := exec.CommandContext(t.Context(), program[0], args...).Output()
	if err != nil {
		t.Fatalf("%v: %v", program, err)
	}
	reader := csv.NewReader(bytes.NewReader(said))
	reader.TrimLeadingSpace = true
	rows, err := reader.ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("%v: %v: %s", program, err, said)
	}
	return rows[1:]
}

// wantBalances compares what a program has on each account with the closing balances of the manifest.
func wantBalances(t *testing.T, m export.Manifest, rows [][]string) {
	t.Helper()
	got := map[string]string{}
	for _, row := range rows {
		code := row[0][strings.LastIndexByte(row[0], ':')+1:]
		amount, err := decimal.NewFromString(strings.TrimSpace(row[2]))
		if err != nil {
			t.Fatalf("%v: %v", row, err)
		}
		if !amount.IsZero() {
			got[strings.TrimPrefix(code, "A")+" "+strings.TrimSpace(row[1])] = amount.String()
		}
	}
	want := map[string]string{}
	for _, b := range m.Balances {
		if amount := decimal.RequireFromString(b.Closing); !amount.IsZero() {
			want[b.Account+" "+b.Currency] = amount.String()
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Errorf("closing balances of the ledger (-) and of the program (+):\n%s", diff)
	}
}

// TestTrialBalanceOfACopy: a trial balance of a frozen copy is that of the copy, up to the position that its manifest
// tells, whatever the live books have since.
func TestTrialBalanceOfACopy(t *testing.T) {
	t.Parallel()
	pool := books(t, 60)
	dir := t.TempDir()
	trial := func(views, name string) (export.Manifest, []byte) {
		return run(t, pool, export.Job{Spec: export.Spec{What: export.TrialBalance, Format: export.CSV, Views: views}, Out: filepath.Join(dir, name), Sign: key()})
	}
	_, live := trial("ledger", "live.csv")
	if _, err := pool.Exec(t.Context(), `CREATE SCHEMA "as of May";
		CREATE VIEW "as of May".journal_lines AS SELECT * FROM ledger.journal_lines WHERE position <= 300;
		CREATE VIEW "as of May".accounts AS SELECT account, name || ' of May' AS name, type, base_account FROM ledger.accounts;
		CREATE VIEW "as of May".checkpoint AS SELECT 200::bigint AS commit_position, 200::bigint AS prepare_position`); err != nil {
		t.Fatal(err)
	}
	m, copied := trial("as of May", "copy.csv")
	if _, err := pool.Exec(t.Context(), "UPDATE ledger_data.checkpoint SET commit_position = 200, prepare_position = 200"); err != nil {
		t.Fatal(err)
	}
	_, then := trial("ledger", "then.csv")
	if m.Commit != 200 || m.Views != "as of May" || bytes.Equal(then, live) ||
		!bytes.Contains(copied, []byte(" of May,")) || !bytes.Equal(bytes.ReplaceAll(copied, []byte(" of May,"), []byte(",")), then) {
		t.Errorf("position %d of %q:\n%s\nand the live books had there:\n%s", m.Commit, m.Views, copied, then)
	}
}

// TestBooksWithoutMovements: balances of a time in which nothing moved are asserted on its days.
func TestBooksWithoutMovements(t *testing.T) {
	t.Parallel()
	pool := books(t, 30)
	from := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for f, want := range map[export.Format]string{export.Hledger: "\n2027-01-01 closing balances\n", export.Beancount: "\n2027-01-02 balance Assets:"} {
		_, text := run(t, pool, journal(f, reports.Params{From: &from}, filepath.Join(t.TempDir(), "books")))
		if !strings.Contains(string(text), want) || strings.Contains(string(text), "0001-01-0") {
			t.Errorf("%s: no %q in\n%s", f, want, text)
		}
	}
}

// TestResume: an export that is interrupted anywhere goes on where it was, and ends as if it had not been.
func TestResume(t *testing.T) {
	t.Parallel()
	pool := books(t, 400)
	dir := t.TempDir()
	for _, f := range []export.Format{export.CSV, export.JSONLines, export.Parquet} {
		whole, want := run(t, pool, journal(f, reports.Params{}, filepath.Join(dir, "whole."+string(f))))
		j := journal(f, reports.Params{}, filepath.Join(dir, "parts."+string(f)))
		j.SaveEvery = 60
		var written []int64
		for attempt := int64(1); ; attempt++ {
			ctx, cancel := context.WithCancel(t.Context())
			j.Said = func(rows int64) {
				written = append(written, rows)
				if f != export.Parquet && rows >= 100*attempt || f == export.Parquet && attempt == 1 {
					cancel()
				}
			}
			_, err := j.Run(ctx, pool)
			cancel()
			if err == nil {
				break
			}
			if !errors.Is(err, context.Canceled) || attempt > 20 {
				t.Fatal(err)
			}
			if _, err := os.Stat(j.Out); err == nil {
				t.Fatal("the file is there before it is whole")
			}
		}
		text, err := os.ReadFile(j.Out)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(text, want) {
			t.Errorf("%s: in parts it differs from the whole", f)
		}
		m, err := export.Verify(j.Out+".manifest.json", "")
		if err != nil || m.Rows != whole.Rows || m.SHA256 != whole.SHA256 {
			t.Errorf("%s: %v: %d rows, want %d", f, err, m.Rows, whole.Rows)
		}
		for i := 1; f != export.Parquet && i < len(written); i++ {
			if written[i] <= written[i-1]-60 {
				t.Errorf("%s began again from row %d after %d", f, written[i], written[i-1])
			}
		}
	}
}

// TestOneRunAtATime refuses to write into a file that is being written.
func TestOneRunAtATime(t *testing.T) {
	t.Parallel()
	pool := books(t, 60)
	j := journal(export.CSV, reports.Params{}, filepath.Join(t.TempDir(), "x.csv"))
	j.SaveEvery = 100
	var second error
	j.Said = func(int64) { _, second = journal(export.CSV, reports.Params{}, j.Out).Run(t.Context(), pool) }
	if m, _ := run(t, pool, j); !errors.Is(second, export.ErrBusy) || m.Rows != 120 {
		t.Errorf("a second run: %v; %d rows", second, m.Rows)
	}
}

// TestRefusesBooksOutOfBalance: a line that is missing is noticed, and nothing is left behind.
func TestRefusesBooksOutOfBalance(t *testing.T) {
	t.Parallel()
	pool := books(t, 60)
	if _, err := pool.Exec(t.Context(), `SET session_replication_role = replica; -- as if the table's own guard were not there
		DELETE FROM ledger_data.journal_lines WHERE position = 300 AND line = 2; RESET session_replication_role`); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := journal(export.CSV, reports.Params{}, filepath.Join(dir, "x.csv")).Run(t.Context(), pool); !errors.Is(err, export.ErrOutOfBalance) {
		t.Errorf("error %v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("%v: left behind: %v", err, left)
	}
}

// TestVerify: a file or a manifest that was changed, or that somebody else signed, is not proven.
func TestVerify(t *testing.T) {
	t.Parallel()
	pool := books(t, 30)
	at := time.Date(2026, 9, 28, 10, 20, 0, 0, time.UTC)
	for name, change := range map[string]func(t *testing.T, file string) (publicKey string){
		"nothing": nil,
		"file": func(t *testing.T, file string) string {
			t.Helper()
			text, err := os.ReadFile(file)
			if err == nil {
				text[len(text)/2] ^= 1
				err = os.WriteFile(file, text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			return ""
		},
		"manifest": func(t *testing.T, file string) string {
			t.Helper()
			text, err := os.ReadFile(file + ".manifest.json")
			if err == nil {
				err = os.WriteFile(file+".manifest.json", bytes.Replace(text, []byte(`"as_of": "2026`), []byte(`"as_of": "2025`), 1), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			return ""
		},
		"signer": func(*testing.T, string) string { return "AAAA" },
	} {
		out := filepath.Join(t.TempDir(), "x.csv")
		m, _ := run(t, pool, journal(export.CSV, reports.Params{AsOf: &at}, out))
		if m.Rows != 40 {
			t.Errorf("%d rows were known, want 40", m.Rows)
		}
		publicKey := m.PublicKey
		if change != nil {
			publicKey = change(t, out)
		}
		if _, err := export.Verify(out+".manifest.json", publicKey); (err == nil) != (change == nil) || (change != nil && !errors.Is(err, export.ErrNotProven)) {
			t.Errorf("changed %s: %v", name, err)
		}
	}
}
