package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/projections/reports"
)

// What names what can be exported.
type What string

// Datasets.
const (
	Journal      What = "journal"
	Orders       What = "orders"
	History      What = "history"
	TrialBalance What = "trial-balance"
)

// Whats lists all datasets.
func Whats() []What { return []What{Journal, Orders, History, TrialBalance} }

// Kind is how the values of a column are to be read.
type Kind int

// Kinds of columns. Every value is a text; these say what it looks like.
const (
	Text   Kind = iota
	Amount      // decimal in major units, in the row's currency
	Integer
	Bool // true or false
	JSON
	Stamp // RFC 3339 with microseconds, in UTC
)

// Column is one column of a dataset.
type Column struct {
	Name string
	Kind Kind
	sql  string // empty is the name
}

// Spec says what to export.
type Spec struct {
	What   What
	Format Format
	// Views is the schema of the views: ledger, or that of a frozen copy.
	Views string
	// Params choose rows: posting dates and AsAt for the journal and the trial balance, AsOf for all but orders.
	Params reports.Params
}

// dataset is a query in a fixed order. key are the columns that the order is by.
type dataset struct {
	columns []Column
	from    string
	where   []string
	order   []string
}

func stamp(name string) Column { return Column{Name: name, Kind: Stamp, sql: name} }

func texts(names ...string) []Column {
	out := make([]Column, len(names))
	for i, name := range names {
		out[i] = Column{Name: name, sql: name + "::text"}
	}
	return out
}

func amounts(names ...string) []Column {
	out := texts(names...)
	for i := range out {
		out[i].Kind = Amount
	}
	return out
}

func integers(names ...string) []Column {
	out := texts(names...)
	for i := range out {
		out[i].Kind = Integer
	}
	return out
}

func datasetOf(s Spec) (dataset, error) {
	const recorded = "(@as_of::timestamptz IS NULL OR recorded_at <= @as_of)"
	switch s.What {
	case Journal:
		return dataset{
			columns: slices.Concat(texts("entry_id", "event_id", "order_id"), integers("revision", "line"), texts("posting_date", "value_date"),
				[]Column{stamp("recorded_at")}, texts("account", "currency"), amounts("debit", "credit"), texts("source", "source_account"),
				[]Column{{Name: "late_posting", Kind: Bool, sql: "late_posting::text"}}, integers("position"), texts("entity")),
			from: "journal_lines", order: []string{"position", "line"},
			where: []string{recorded, "(@as_at::date IS NULL OR value_date <= @as_at)", "(@entity::text IS NULL OR entity = @entity)", "(@from::date IS NULL OR posting_date >= @from)",
				"(@through::date IS NULL OR posting_date <= @through)"},
		}, nil
	case History:
		return dataset{
			columns: slices.Concat(texts("order_id"), integers("revision", "position"), texts("event_id", "event_type"),
				[]Column{stamp("occurred_at"), stamp("recorded_at")}, texts("source", "actor"),
				[]Column{{Name: "data", Kind: JSON, sql: "data::text"}, {Name: "metadata", Kind: JSON, sql: "metadata::text"}}),
			from: "order_history", order: []string{"position", "revision"},
			where: []string{recorded, "(@from::date IS NULL OR recorded_at >= @from::date::timestamp AT TIME ZONE 'UTC')",
				"(@through::date IS NULL OR recorded_at < (@through::date + 1)::timestamp AT TIME ZONE 'UTC')"},
		}, nil
	case Orders:
		if s.Params.AsOf != nil || s.Params.From != nil || s.Params.Through != nil {
			return dataset{}, errors.New("orders are exported as they are; for another moment make a frozen copy " +
				"(`ledger rebuild --as-of … --into SCHEMA`) and export from it with --views SCHEMA")
		}
		return dataset{
			columns: slices.Concat(texts("order_id", "source", "source_account", "source_order_id", "merchant_reference", "currency"),
				amounts("amount_due", "authorised", "expected", "captured", "settled", "received_externally", "reversed", "refund_pending",
					"refunded", "dispute_held", "dispute_lost", "gross_paid", "net", "overpaid"),
				texts("payment_state", "refund_state", "dispute_state", "lifecycle", "gateway_status"),
				[]Column{{Name: "flags", sql: "array_to_string(flags, ' ')"}, stamp("first_recorded_at"), stamp("last_recorded_at")},
				integers("revision", "position")),
			from: "orders", order: []string{"order_id"},
		}, nil
	case TrialBalance:
		return dataset{columns: slices.Concat(texts("currency", "source", "source_account", "account", "name", "type"),
			amounts("opening", "debit", "credit", "closing"), texts("base_account"))}, nil
	}
	return dataset{}, fmt.Errorf("there is no export %q", s.What)
}

// Row is one row: a value for each column, nil for unknown. It is valid until the next one.
type Row [][]byte

// stream calls each with every row, in order, after the last one of an interrupted export. upTo bounds the
// position of what is exported.
func (d *dataset) stream(ctx context.Context, tx pgx.Tx, s Spec, upTo uint64, after []int64, each func(Row) error) error {
	if s.What == TrialBalance {
		return d.trialBalance(ctx, tx, s, upTo, each)
	}
	selected := make([]string, len(d.columns))
	for i, c := range d.columns {
		selected[i] = c.sql
	}
	where := append([]string{"true"}, d.where...)
	args := pgx.NamedArgs{"as_of": s.Params.AsOf, "as_at": date(s.Params.AsAt), "entity": entity(s.Params.Entity), "from": date(s.Params.From), "through": date(s.Params.Through), "up_to": int64(upTo)}
	if s.What != Orders {
		where = append(where, "position <= @up_to")
	}
	if len(after) == 2 {
		where = append(where, "("+strings.Join(d.order, ", ")+") > (@after_first, @after_second)")
		args["after_first"], args["after_second"] = after[0], after[1]
	}
	order := make([]string, len(d.order)) // of the view's columns: a bare name is that of a selected text
	for i, name := range d.order {
		if order[i] = "v." + name; name == "order_id" {
			order[i] += ` COLLATE "C"`
		}
	}
	sql := fmt.Sprintf("SELECT %s FROM %s.%s AS v WHERE %s ORDER BY %s", strings.Join(selected, ", "), pgx.Identifier{s.Views}.Sanitize(), d.from,
		strings.Join(where, " AND "), strings.Join(order, ", "))
	rows, err := tx.Query(ctx, sql, pgx.QueryResultFormats{pgx.TextFormatCode}, args)
	if err != nil {
		return fmt.Errorf("read %s: %w", s.What, err)
	}
	defer rows.Close()
	currency := slices.IndexFunc(d.columns, func(c Column) bool { return c.Name == "currency" })
	row := make(Row, len(d.columns))
	stamps := make([][]byte, len(d.columns))
	scales := scaler{}
	for rows.Next() {
		values := rows.RawValues()
		for i, raw := range values {
			switch row[i] = raw; {
			case raw == nil:
			case d.columns[i].Kind == Stamp:
				stamps[i] = appendStamp(stamps[i][:0], raw)
				row[i] = stamps[i]
			case d.columns[i].Kind == Amount && currency >= 0 && values[currency] != nil:
				if row[i], err = scales.shown(raw, values[currency]); err != nil {
					return fmt.Errorf("read %s: %w", s.What, err)
				}
			}
		}
		if err := each(row); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", s.What, err)
	}
	return nil
}

func (d *dataset) trialBalance(ctx context.Context, tx pgx.Tx, s Spec, upTo uint64, each func(Row) error) error {
	report, err := reports.Find("trial-balance")
	if err != nil {
		return err
	}
	params := s.Params
	params.UpTo = upTo
	table, err := report.In(s.Views).Run(ctx, tx, params)
	if err != nil {
		return err
	}
	row := make(Row, len(d.columns))
	for _, shown := range table.Rows {
		for i, v := range shown {
			if row[i] = nil; v != nil {
				row[i] = []byte(*v)
			}
		}
		if err := each(row); err != nil {
			return err
		}
	}
	return nil
}

// appendStamp makes 2026-10-31T17:00:00.123000Z of PostgreSQL's 2026-10-31 17:00:00.123+00.
func appendStamp(to, text []byte) []byte {
	const microseconds = 6
	text = bytes.TrimSuffix(text, []byte("+00"))
	whole, fraction, _ := bytes.Cut(text, []byte("."))
	date, clock, _ := bytes.Cut(whole, []byte(" "))
	to = append(append(append(to, date...), 'T'), clock...)
	to = append(append(to, '.'), fraction...)
	for range microseconds - len(fraction) {
		to = append(to, '0')
	}
	return append(to, 'Z')
}

// entity is nil for all entities.
func entity(name string) *string {
	if name == "" {
		return nil
	}
	return &name
}

func date(t *time.Time) *string {
	if t == nil {
		return nil
	}
	text := t.UTC().Format(time.DateOnly)
	return &text
}

// scale is what amounts of a currency look like.
type scale struct {
	currency money.Currency
	units    int
	zero     []byte
}

// scaler gives amounts all decimals of their currency.
type scaler map[string]scale

func (s scaler) shown(amount, code []byte) ([]byte, error) {
	c, ok := s[string(code)]
	if !ok {
		currency, err := money.ParseCurrency(string(code))
		if err != nil {
			return nil, err
		}
		c = scale{currency: currency, units: int(currency.MinorUnits()), zero: []byte(money.Zero(currency).String())}
		s[string(code)] = c
	}
	switch point := bytes.IndexByte(amount, '.'); {
	case len(amount) == 1 && amount[0] == '0':
		return c.zero, nil
	case point >= 0 && len(amount)-point-1 == c.units, point < 0 && c.units == 0:
		return amount, nil
	}
	m, err := money.Parse(string(amount), c.currency)
	if err != nil {
		return nil, err
	}
	return []byte(m.String()), nil
}
