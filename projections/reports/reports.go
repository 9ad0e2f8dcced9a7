// Package reports answers what accounting asks of the views. Each report is one SQL statement over the
// public views with two clocks: what was known when (as_of, recorded) and what had happened when (as_at,
// by value date). Publish makes the same statements functions in the database, so that anybody may ask
// without the ledger.
package reports

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/money"
)

//go:embed sql/*.sql
var files embed.FS

// ErrUnknown says that there is no report of a name.
var ErrUnknown = errors.New("there is no such report")

// Params choose what a report is about. The zero value is everything that is known now.
type Params struct {
	// AsOf is what was known then: facts recorded later are left out.
	AsOf *time.Time
	// AsAt is what had happened by then: what happened after this day is left out. The day of what is posted is its
	// value date, in the time zone of the entity; of what is not, the day in UTC.
	AsAt *time.Time
	// From and Through are the first and last posting date of the report.
	From, Through *time.Time
	// KnownFrom is the earlier moment of knowledge of the restatement.
	KnownFrom *time.Time
	// UpTo leaves out what stands after this commit position of the log; 0 leaves nothing out.
	UpTo uint64
	// Source and SourceAccount leave out other gateways and merchant accounts; empty leaves nothing out.
	Source, SourceAccount string
	// Entity leaves out the books of other legal entities; empty leaves nothing out. Not every report tells entities
	// apart; see Takes.
	Entity string
	// Daily sums up by day instead of month.
	Daily bool
	// Memo shows the accounts off the balance sheet too.
	Memo bool
}

// Period sets From and Through to a month.
func (p *Params) Period(month accounting.Period) {
	first, last := month.First(), month.Last()
	p.From, p.Through = &first, &last
}

func (p *Params) named() pgx.NamedArgs {
	var upTo *int64
	if p.UpTo != 0 {
		at := int64(p.UpTo)
		upTo = &at
	}
	return pgx.NamedArgs{
		"as_of": p.AsOf, "as_at": day(p.AsAt), "from": day(p.From), "through": day(p.Through), "known_from": p.KnownFrom,
		"up_to": upTo, "daily": p.Daily, "memo": p.Memo, "source": optional(p.Source), "source_account": optional(p.SourceAccount),
		"entity": optional(p.Entity),
	}
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func day(t *time.Time) *string {
	if t == nil {
		return nil
	}
	text := t.UTC().Format(time.DateOnly)
	return &text
}

// Report is one of the reports.
type Report struct {
	Name string `json:"name"`
	// Title says what it shows.
	Title string `json:"title"`
	sql   string
}

// linesOfAll are the lines of the journal of all entities; the parenthesis is left open.
const linesOfAll = `(SELECT * FROM ledger.journal_lines
    WHERE (@as_of::timestamptz IS NULL OR recorded_at <= @as_of) AND (@as_at::date IS NULL OR value_date <= @as_at)
      AND (@up_to::bigint IS NULL OR position <= @up_to) AND (@source::text IS NULL OR source = @source)
      AND (@source_account::text IS NULL OR source_account = @source_account)`

// whole writes out what the statements have in common: the lines of the journal and the audit trail as
// the two clocks and the chosen gateway account see them, the day that is today by them, and whether
// neither is set.
var whole = strings.NewReplacer(
	"@lines", linesOfAll+" AND (@entity::text IS NULL OR entity = @entity))",
	"@all_lines", linesOfAll+")",
	"@history", `(SELECT * FROM ledger.order_history AS told
    WHERE (@as_of::timestamptz IS NULL OR recorded_at <= @as_of) AND (@as_at::date IS NULL OR coalesce(
        (SELECT max(value_date) FROM ledger.journal_lines AS posted WHERE posted.order_id = told.order_id AND posted.position = told.position),
        (occurred_at AT TIME ZONE 'UTC')::date) <= @as_at)
      AND (@up_to::bigint IS NULL OR position <= @up_to))`,
	"@statement_lines", `(
    WITH results AS (
      SELECT DISTINCT ON (statement_id, line) statement_id, line, status, reason, order_id, booked FROM ledger.settlement_results
      WHERE (@as_of::timestamptz IS NULL OR recorded_at <= @as_of) AND (@up_to::bigint IS NULL OR position <= @up_to)
      ORDER BY statement_id, line, position DESC
    ), lines AS (
      SELECT l.statement_id, l.line, l.file_line, l.source, l.source_account, l.side, l.kind, l.reference, l.settlement_ref, l.value_date, l.currency,
        l.gross, l.fee, l.settled, l.settled_currency, l.moved, l.kind IN ('payout', 'payout_reversal') AS of_payout,
        CASE l.kind WHEN 'payout_reversal' THEN -l.gross ELSE l.gross END AS paid_out
      FROM ledger.settlement_lines AS l JOIN ledger.settlement_statements AS s USING (statement_id)
      WHERE (@as_of::timestamptz IS NULL OR s.completed_at <= @as_of) AND (@up_to::bigint IS NULL OR s.completed_position <= @up_to)
        AND (@as_at::date IS NULL OR l.value_date <= @as_at)
        AND (@source::text IS NULL OR l.source = @source) AND (@source_account::text IS NULL OR l.source_account = @source_account)
    ), payouts AS (
      SELECT source, source_account, settlement_ref, currency, sum(paid_out) FILTER (WHERE side = 'gateway') AS by_gateway,
        sum(paid_out) FILTER (WHERE side = 'bank') AS by_bank, sum(-moved) FILTER (WHERE side = 'gateway') AS cost
      FROM ( -- statements repeat payouts of each other; a statement that has the same amount twice means two
        SELECT DISTINCT source, source_account, side, settlement_ref, currency, value_date, paid_out, moved, row_number() OVER (
          PARTITION BY statement_id, source, source_account, side, settlement_ref, currency, value_date, paid_out, moved ORDER BY line) AS nth
        FROM lines WHERE of_payout) AS one
      WHERE settlement_ref IS NOT NULL GROUP BY 1, 2, 3, 4
    ), nets AS (
      SELECT source, source_account, settlement_ref, currency, sum(moved) AS lines_net
      FROM (
        SELECT DISTINCT source, source_account, settlement_ref, coalesce(settled_currency, currency) AS currency, kind, reference, value_date, moved, fee, row_number() OVER (
          PARTITION BY statement_id, source, source_account, settlement_ref, coalesce(settled_currency, currency), kind, reference, value_date, moved, fee ORDER BY line) AS nth
        FROM lines WHERE NOT of_payout AND side = 'gateway') AS one
      WHERE settlement_ref IS NOT NULL GROUP BY 1, 2, 3, 4
    )
    SELECT l.*, r.order_id, n.lines_net, n.lines_net <> p.cost AS lines_differ,
      CASE WHEN NOT l.of_payout THEN r.booked WHEN l.side = 'bank' THEN p.by_gateway ELSE p.by_bank END AS booked,
      CASE WHEN NOT l.of_payout THEN coalesce(r.status, 'PENDING') WHEN p.by_gateway = p.by_bank THEN 'MATCHED'
        WHEN p.by_gateway IS NOT NULL AND p.by_bank IS NOT NULL THEN 'MISMATCH' ELSE 'UNMATCHED' END AS status,
      CASE WHEN NOT l.of_payout THEN r.reason WHEN l.settlement_ref IS NULL THEN 'no_reference' WHEN p.by_gateway = p.by_bank THEN NULL
        WHEN p.by_bank IS NULL THEN 'missing_at_bank' WHEN p.by_gateway IS NULL THEN 'missing_at_gateway' ELSE 'amount_differs' END AS reason
    FROM lines AS l LEFT JOIN results AS r ON r.statement_id = l.statement_id AND r.line = l.line AND NOT l.of_payout
    LEFT JOIN payouts AS p ON l.of_payout AND p.source = l.source AND p.source_account = l.source_account
      AND p.settlement_ref = l.settlement_ref AND p.currency = l.currency
    LEFT JOIN nets AS n ON l.of_payout AND n.source = l.source AND n.source_account = l.source_account
      AND n.settlement_ref = l.settlement_ref AND n.currency = l.currency)`,
	"@today", `coalesce(@as_at::date, (@as_of::timestamptz AT TIME ZONE 'UTC')::date, (now() AT TIME ZONE 'UTC')::date)`,
	"@now", `(@as_of::timestamptz IS NULL AND @as_at::date IS NULL AND @up_to::bigint IS NULL)`,
)

// All lists the reports by name.
func All() []Report {
	entries, err := fs.ReadDir(files, "sql")
	if err != nil {
		return nil // it is part of the program
	}
	all := make([]Report, 0, len(entries))
	for _, entry := range entries {
		text, err := files.ReadFile(path.Join("sql", entry.Name()))
		if err != nil {
			continue
		}
		title, _, _ := strings.Cut(strings.TrimPrefix(string(text), "-- "), "\n")
		all = append(all, Report{Name: strings.TrimSuffix(entry.Name(), ".sql"), Title: title, sql: whole.Replace(string(text))})
	}
	return all
}

// Find returns the report of a name, or ErrUnknown.
func Find(name string) (Report, error) {
	all := All()
	i := slices.IndexFunc(all, func(r Report) bool { return r.Name == name })
	if i < 0 {
		return Report{}, fmt.Errorf("%w: %q", ErrUnknown, name)
	}
	return all[i], nil
}

// schemaOfViews is how the statements name the schema of the views.
var schemaOfViews = regexp.MustCompile(`\bledger\.`)

// In returns the report over the views of another schema, like that of a frozen copy.
func (r Report) In(schema string) Report {
	r.sql = schemaOfViews.ReplaceAllLiteralString(r.sql, pgx.Identifier{schema}.Sanitize()+".")
	return r
}

// NeedsKnownFrom tells whether the report compares two moments of knowledge.
func (r Report) NeedsKnownFrom() bool { return strings.Contains(r.sql, "@known_from") }

// Reconciliation are the reports that compare statements with our books, in the order in which they are read.
func Reconciliation() []string {
	return []string{"reconciliation", "reconciliation-differences", "reconciliation-payouts", "reconciliation-unsettled", "reconciliation-gateway"}
}

// Table is the answer to a report. Values are texts, amounts in major units; nil is unknown.
type Table struct {
	Name    string      `json:"report"`
	Title   string      `json:"title"`
	Columns []string    `json:"columns"`
	Rows    [][]*string `json:"rows"`
}

// Querier reads rows. It should be a snapshot (repeatable read) when several reports are to agree.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Run answers the report.
func (r Report) Run(ctx context.Context, db Querier, p Params) (Table, error) {
	t := Table{Name: r.Name, Title: r.Title, Rows: [][]*string{}}
	if r.NeedsKnownFrom() && p.KnownFrom == nil {
		return t, errors.New("a restatement needs the earlier moment of knowledge")
	}
	rows, err := db.Query(ctx, r.sql, pgx.QueryResultFormats{pgx.TextFormatCode}, p.named())
	if err != nil {
		return t, fmt.Errorf("report %s: %w", r.Name, err)
	}
	defer rows.Close()
	var types []uint32
	for _, field := range rows.FieldDescriptions() {
		t.Columns = append(t.Columns, field.Name)
		types = append(types, field.DataTypeOID)
	}
	currencies := slices.Index(t.Columns, "currency")
	for rows.Next() {
		values := rows.RawValues()
		var currency money.Currency
		if currencies >= 0 && values[currencies] != nil {
			if currency, err = money.ParseCurrency(string(values[currencies])); err != nil {
				return t, fmt.Errorf("report %s: %w", r.Name, err)
			}
		}
		row := make([]*string, len(t.Columns))
		for i, raw := range values {
			if raw != nil {
				text := shown(string(raw), types[i], currency)
				row[i] = &text
			}
		}
		t.Rows = append(t.Rows, row)
	}
	if err := rows.Err(); err != nil {
		return t, fmt.Errorf("report %s: %w", r.Name, err)
	}
	return t, nil
}

// shown is a value as people read it: an amount with all decimals of its currency, yes and no.
func shown(text string, oid uint32, currency money.Currency) string {
	switch oid {
	case pgtype.BoolOID:
		return map[string]string{"t": "yes", "f": "no"}[text]
	case pgtype.NumericOID:
		if m, err := money.Parse(text, currency); err == nil {
			return m.String()
		}
	}
	return text
}

// TrialBalance is the report of that name with its lines typed.
func TrialBalance(ctx context.Context, db Querier, p Params) ([]accounting.TrialLine, error) {
	report, err := Find("trial-balance")
	if err != nil {
		return nil, err
	}
	table, err := report.Run(ctx, db, p)
	if err != nil {
		return nil, err
	}
	lines := make([]accounting.TrialLine, len(table.Rows))
	for i, row := range table.Rows {
		l := &lines[i]
		for j, to := range []*string{
			&l.Currency, &l.Source, &l.SourceAccount, &l.Account, &l.Name, &l.Type, &l.Opening, &l.Debit, &l.Credit, &l.Closing, &l.BaseAccount,
		} {
			if row[j] != nil {
				*to = *row[j]
			}
		}
	}
	return lines, nil
}
