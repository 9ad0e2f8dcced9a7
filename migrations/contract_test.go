package migrations_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// contract is the public interface, written down from the design and not from the migrations. Each
// entry is a view and its columns as "name type", in order; what follows "+" came later.
func contract() map[string]string {
	const orders = `order_id text, source text, source_account text, source_order_id text, merchant_reference text,
		currency text, amount_due numeric, authorised numeric, expected numeric, captured numeric, settled numeric,
		received_externally numeric, reversed numeric, refund_pending numeric, refunded numeric, dispute_held numeric,
		dispute_lost numeric, gross_paid numeric, net numeric, overpaid numeric, payment_state text, refund_state text,
		dispute_state text, lifecycle text, gateway_status text, flags text[],
		first_recorded_at timestamp with time zone, last_recorded_at timestamp with time zone,
		revision bigint, position bigint
			+ event_id uuid`
	return map[string]string{
		"orders":      orders,
		"test_orders": orders,
		"payments": `order_id text, payment_id text, source_payment_id text, method text, status text, amount numeric,
			captured numeric, settled numeric, reason_code text, last_occurred_at timestamp with time zone
			+ currency text, revision bigint, position bigint, event_id uuid`,
		"refunds": `order_id text, payment_id text, refund_id text, amount numeric, status text,
			initiated_at timestamp with time zone, resolved_at timestamp with time zone,
			last_recorded_at timestamp with time zone
			+ currency text, source_refund_id text, reason_code text, revision bigint, position bigint, event_id uuid`,
		"refund_balances": `order_id text, captured numeric, reversed numeric, refund_pending numeric, refunded numeric,
			dispute_held numeric, dispute_lost numeric, refundable numeric
			+ currency text`,
		"disputes": `order_id text, dispute_id text, track text, stage text, outcome text, reason_code text, arn text,
			disputed_amount numeric, held numeric, lost numeric, respond_by timestamp with time zone
			+ currency text, payment_id text, revision bigint, position bigint, event_id uuid`,
		"dispute_timeline": `dispute_id text, seq integer, stage text, amount numeric, moved numeric,
			occurred_at timestamp with time zone, recorded_at timestamp with time zone
			+ order_id text, currency text, event_id uuid, revision bigint, position bigint`,
		"order_history": `order_id text, revision bigint, position bigint, event_id uuid, event_type text,
			occurred_at timestamp with time zone, recorded_at timestamp with time zone, source text, actor text,
			data jsonb, metadata jsonb`,
		"payouts": `order_id text, source text, source_account text, source_order_id text, merchant_reference text,
			currency text, amount numeric, paid_out numeric, payout_state text, flags text[],
			first_recorded_at timestamp with time zone, last_recorded_at timestamp with time zone,
			revision bigint, position bigint
			+ event_id uuid`,
		"quarantine": `notification_id text, source text, source_account text, code text, detail text,
			received_at timestamp with time zone, body_sha256 text, position bigint
			+ event_id uuid`,
		"parked_orders": `order_id text, stream text, revision bigint, position bigint, event_id uuid, reason text,
			since timestamp with time zone
			+ event_type text, held_back bigint`,
		"journal_lines": `entry_id text, event_id uuid, order_id text, revision bigint, posting_date date, value_date date,
			recorded_at timestamp with time zone, account text, currency text, debit numeric, credit numeric, source text,
			source_account text, late_posting boolean
			+ position bigint, line integer, base_account text, entity text`,
		"accounts": `account text, name text, type text
			+ base_account text`,
		"account_balances": `source text, source_account text, account text, name text, type text, currency text,
			debit numeric, credit numeric, balance numeric
			+ entity text`,
		"trial_balance": `period text, source text, source_account text, account text, name text, type text, currency text,
			opening numeric, debit numeric, credit numeric, closing numeric
			+ entity text`,
		"periods": `entity text, period text, change text, recorded_at timestamp with time zone, actor text, approver text,
			reason text, trial_balance_sha256 text, up_to bigint, event_id uuid, position bigint`,
		"settlement_statements": `statement_id text, source text, source_account text, side text, format text, file_name text,
			file_sha256 text, statement_ref text, first_date date, last_date date, lines integer, currency text, opening numeric,
			closing numeric, window_days integer, recorded_at timestamp with time zone, actor text, complete boolean,
			matched integer, mismatched integer, unmatched integer, event_id uuid, position bigint
			+ completed_at timestamp with time zone, completed_position bigint`,
		"settlement_results": `statement_id text, line integer, status text, reason text, order_id text, payment_id text,
			refund_id text, dispute_id text, movement text, amount numeric, currency text, booked numeric,
			recorded_at timestamp with time zone, event_id uuid, position bigint`,
		"settlement_payouts": `source text, source_account text, settlement_ref text, currency text, by_gateway numeric,
			by_bank numeric, paid_on date, received_on date, status text, reason text
			+ lines_net numeric, lines_differ boolean`,
		"settlement_lines": `statement_id text, line integer, file_line integer, source text, source_account text, side text,
			kind text, reference text, other_references text[], settlement_ref text, value_date date, currency text, gross numeric,
			fee numeric, net numeric, status text, reason text, order_id text, payment_id text, refund_id text, dispute_id text,
			booked numeric, recorded_at timestamp with time zone, decided_at timestamp with time zone
			+ settled numeric, settled_currency text, moved numeric, booked_as text`,
		"settlement_bookings": `entry_id text, event_id uuid, event_type text, statement_id text, line integer, booked_as text,
			released boolean, entity text, reason text, recorded_at timestamp with time zone, actor text, position bigint`,
		"checkpoint": `position bigint, commit_position bigint, prepare_position bigint, epoch bigint,
			updated_at timestamp with time zone`,
	}
}

func TestLedgerViews_HaveExactlyTheColumnsOfTheContract(t *testing.T) {
	t.Parallel()
	conn := migrated(t)
	rows, err := conn.Query(t.Context(), `
		SELECT c.relname, string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
		  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		 WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind = 'v'
		 GROUP BY c.relname`)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	var name, columns string
	if _, err := pgx.ForEachRow(rows, []any{&name, &columns}, func() error { got[name] = columns; return nil }); err != nil {
		t.Fatal(err)
	}
	want := contract()
	for view, text := range want {
		want[view] = strings.Join(strings.Fields(strings.ReplaceAll(text, "\n\t\t\t+", ",")), " ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the views differ from the contract (-want +got):\n%s", diff)
	}
}

func TestLedgerViews_EachViewAndColumnIsDocumented(t *testing.T) {
	t.Parallel()
	rows, err := migrated(t).Query(t.Context(), `
		SELECT c.relname || coalesce('.' || a.attname, '')
		  FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum >= 0
		 WHERE c.relnamespace = 'ledger'::regnamespace
		   AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)
		 ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	missing, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if len(missing) > 0 {
		t.Errorf("without a comment: %v", missing)
	}
}

func TestSchema_HasNoTypesThatRoundOrForgetTheZone(t *testing.T) {
	t.Parallel()
	rows, err := migrated(t).Query(t.Context(), `
		SELECT format('%s.%s %s', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod))
		  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE n.nspname IN ('ledger', 'ledger_data', 'ledger_internal') AND a.attnum > 0 AND NOT c.relispartition
		   AND (a.atttypid IN ('float4'::regtype, 'float8'::regtype, 'money'::regtype, 'timestamp'::regtype, 'date'::regtype)
		        OR a.atttypid = 'numeric'::regtype AND a.atttypmod <> -1)`)
	if err != nil {
		t.Fatal(err)
	}
	bad, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	// The books count in days, of UTC.
	bad = slices.DeleteFunc(bad, func(column string) bool {
		return strings.HasSuffix(column, "journal_lines.posting_date date") || strings.HasSuffix(column, "journal_lines.value_date date") ||
			column == "ledger_data.period_changes.period date" ||
			strings.Contains(column, "statement") && strings.HasSuffix(column, "_date date") || strings.HasPrefix(column, "settlement_") && strings.HasSuffix(column, " date")
	})
	if len(bad) > 0 {
		t.Errorf("columns that lose something: %v", bad)
	}
}

// samples has a valid row, as SQL literals, for each table.
func samples() map[string]map[string]string {
	orders := map[string]string{
		"order_id": "'o1'", "source": "'decta'", "source_account": "'default'", "currency": "'EUR'",
		"payment_state": "'UNPAID'", "refund_state": "'NONE'", "dispute_state": "'NONE'", "lifecycle": "'OPEN'",
		"first_recorded_at": "now()", "last_recorded_at": "now()", "revision": "0", "position": "0",
	}
	return map[string]map[string]string{
		"orders":      orders,
		"test_orders": orders,
		"payments":    {"order_id": "'o1'", "payment_id": "'p1'", "status": "'CAPTURED'", "last_occurred_at": "now()"},
		"refunds": {"order_id": "'o1'", "refund_id": "'r1'", "status": "'COMPLETED'",
			"last_recorded_at": "now()"},
		"disputes": {"order_id": "'o1'", "dispute_id": "'d1'", "track": "'chargeback'"},
		"dispute_timeline": {"order_id": "'o1'", "dispute_id": "'d1'", "seq": "1", "stage": "'chargeback'",
			"occurred_at": "now()", "recorded_at": "now()", "event_id": "gen_random_uuid()"},
		"payouts": {"order_id": "'o1'", "source": "'decta'", "source_account": "'default'",
			"payout_state": "'PAID'", "first_recorded_at": "now()", "last_recorded_at": "now()",
			"revision": "0", "position": "0"},
		"statements": {"statement_id": "'s9'", "position": "0", "event_id": "gen_random_uuid()", "recorded_at": "now()", "actor": "'kim'",
			"source": "'decta'", "source_account": "'default'", "side": "'bank'", "format": "'csv'", "file_sha256": "'00ff'", "lines": "0", "window_days": "14"},
		"statement_lines": {"statement_id": "'s9'", "line": "1", "file_line": "1", "kind": "'payment'", "other_references": "'{}'",
			"value_date": "'2026-10-01'", "currency": "'EUR'", "gross": "1", "position": "0"},
	}
}

func insert(table string, row map[string]string) string {
	columns := slices.Sorted(maps.Keys(row))
	values := make([]string, len(columns))
	for i, column := range columns {
		values[i] = row[column]
	}
	return fmt.Sprintf("INSERT INTO ledger_data.%s (%s) VALUES (%s)",
		table, strings.Join(columns, ", "), strings.Join(values, ", "))
}

// sqlState returns the code of a PostgreSQL error, "" for success.
func sqlState(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var failure *pgconn.PgError
	if !errors.As(err, &failure) {
		t.Fatalf("not an answer of PostgreSQL: %v", err)
	}
	return failure.Code
}

func TestTables_MoneyColumnsTakeNothingThatIsNotMoney(t *testing.T) {
	t.Parallel()
	const checkViolation = "23514"
	conn := migrated(t)
	rows, err := conn.Query(t.Context(), `
		SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		 WHERE c.relnamespace = 'ledger_data'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
		   AND a.atttypid = 'numeric'::regtype ORDER BY 1, 2`)
	if err != nil {
		t.Fatal(err)
	}
	var money [][2]string
	var table, column string
	if _, err := pgx.ForEachRow(rows, []any{&table, &column}, func() error {
		money = append(money, [2]string{table, column})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(money) < 30 {
		t.Fatalf("only %d money columns were found", len(money))
	}
	try := func(table, column, value string) string {
		row, ok := samples()[table]
		if !ok {
			t.Fatalf("table %s has money and no sample row in this test", table)
		}
		row[column] = value
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.Exec(t.Context(), insert(table, row))
		state := sqlState(t, err)
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		return state
	}
	for _, m := range money {
		if m[0] == "journal_lines" {
			continue // a line alone is no entry; see testdata/0005.after.sql
		}
		signed := m == [2]string{"dispute_timeline", "moved"} || m[0] == "statements"
		for _, value := range []string{"0", "0.00", "12.3456", "999999999999999999.9999", "'-12.50'"} {
			want := ""
			if value == "'-12.50'" && !signed {
				want = checkViolation
			}
			if got := try(m[0], m[1], value); got != want {
				t.Errorf("%s.%s = %s: SQLSTATE %q, want %q", m[0], m[1], value, got, want)
			}
		}
		for _, value := range []string{"'NaN'", "'Infinity'", "'-Infinity'", "1e18", "-1e18", "0.00001"} {
			if strings.Contains(value, "Infinity") && serverVersion(t, conn) < 140000 {
				continue // numeric has no infinity there
			}
			if got := try(m[0], m[1], value); got != checkViolation {
				t.Errorf("%s.%s = %s: SQLSTATE %q, want %s", m[0], m[1], value, got, checkViolation)
			}
		}
	}
}

func serverVersion(t *testing.T, conn *pgx.Conn) (number int) {
	t.Helper()
	err := conn.QueryRow(t.Context(), "SELECT current_setting('server_version_num')::int").Scan(&number)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

func TestTables_UnknownIsNullAndNeverEmpty(t *testing.T) {
	t.Parallel()
	conn := migrated(t)
	for table, column := range map[string]string{
		"orders": "merchant_reference", "test_orders": "source_order_id", "payments": "reason_code",
		"refunds": "payment_id", "disputes": "arn", "payouts": "merchant_reference",
	} {
		row := maps.Clone(samples()[table])
		row[column] = "''"
		if _, err := conn.Exec(t.Context(), insert(table, row)); sqlState(t, err) != "23514" {
			t.Errorf("%s.%s = '': %v, want a check violation", table, column, err)
		}
		row[column] = "NULL"
		if _, err := conn.Exec(t.Context(), insert(table, row)); err != nil {
			t.Errorf("%s.%s = NULL: %v", table, column, err)
		}
	}
}

func TestViews_DeriveWhatFollowsFromTheBalances(t *testing.T) {
	t.Parallel()
	conn := migrated(t)
	for _, tc := range []struct {
		name, due, captured, external, reversed, refunded, pending, held, lost string
		gross, net, overpaid, refundable                                       string
	}{
		{"Paid", "96.56", "96.56", "0", "0", "0", "0", "0", "0", "96.56", "96.56", "0", "96.56"},
		{"OverpaidWithCash", "90.00", "50.00", "60.00", "10.00", "0", "0", "0", "0", "100.00", "100.00", "10.00", "40.00"},
		{"EverythingAtOnce", "100.00", "100.00", "0", "5.00", "10.00", "20.00", "30.00", "15.00", "95.00", "40.00", "0", "20.00"},
		{"MoreBackThanCame", "50.00", "50.00", "0", "0", "50.00", "0", "50.00", "0", "50.00", "-50.00", "0", "0"},
		{"DueUnknown", "NULL", "12.50", "0", "0", "0", "0", "0", "0", "12.50", "12.50", "0", "12.50"},
	} {
		row := maps.Clone(samples()["orders"])
		maps.Copy(row, map[string]string{
			"order_id": "'" + tc.name + "'", "amount_due": tc.due, "captured": tc.captured,
			"received_externally": tc.external, "reversed": tc.reversed, "refunded": tc.refunded,
			"refund_pending": tc.pending, "dispute_held": tc.held, "dispute_lost": tc.lost,
		})
		if _, err := conn.Exec(t.Context(), insert("orders", row)); err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		var gross, net, overpaid, refundable bool
		err := conn.QueryRow(t.Context(), `
			SELECT o.gross_paid = $2::numeric, o.net = $3::numeric, o.overpaid = $4::numeric, b.refundable = $5::numeric
			  FROM ledger.orders o JOIN ledger.refund_balances b USING (order_id) WHERE order_id = $1`,
			tc.name, tc.gross, tc.net, tc.overpaid, tc.refundable).Scan(&gross, &net, &overpaid, &refundable)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if !gross || !net || !overpaid || !refundable {
			t.Errorf("%s: right are gross_paid %v, net %v, overpaid %v, refundable %v", tc.name, gross, net, overpaid, refundable)
		}
	}
}

func TestViews_CanBeReadWithoutRightsOnTheTables(t *testing.T) {
	t.Parallel()
	conn := migrated(t)
	// A predefined role, so that nothing outside of this database changes.
	const accountant = "pg_read_all_stats"
	exec := func(sql string) error {
		_, err := conn.Exec(t.Context(), sql)
		return err
	}
	for _, sql := range []string{
		"GRANT USAGE ON SCHEMA ledger TO " + accountant,
		"GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO " + accountant,
		"SET ROLE " + accountant,
	} {
		if err := exec(sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	for view := range contract() {
		if err := exec("SELECT * FROM ledger." + view); err != nil {
			t.Errorf("read ledger.%s: %v", view, err)
		}
	}
	const insufficientPrivilege = "42501"
	if got := sqlState(t, exec("SELECT * FROM ledger_data.orders")); got != insufficientPrivilege {
		t.Errorf("the private table answers %q", got)
	}
	if got := sqlState(t, exec("UPDATE ledger.orders SET refunded = 0")); got != insufficientPrivilege {
		t.Errorf("an update through the view answers %q", got)
	}
}
