package export

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

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

// Kind is how the values of a column are to be read.
type Kind int

// Kinds of columns. Every value is a text; these say what it looks like.
const (
	Text   Kind = iota
	Word        // a text of which there are few different ones
	Amount      // decimal in major units, in the row's currency
	Integer
	Bool // true or false
	JSON
	Date  // 2026-10-31
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

// Validate refuses a format that the dataset does not have.
func (s Spec) Validate() error {
	if (s.Format == Hledger || s.Format == Beancount) && s.What != Journal {
		return fmt.Errorf("%s is a format of the journal, not of %s", s.Format, s.What)
	}
	return nil
}

// dataset is a query in a fixed order.
type dataset struct {
	columns []Column
	from    string
	where   []string
	order   []string
	moves   bool // rows are debits and credits of accounts
	whole   bool // no value is unknown
}

func columns(kind Kind, names ...string) []Column {
	out := make([]Column, len(names))
	for i, name := range names {
		out[i] = Column{Name: name, Kind: kind}
	}
	return out
}

func datasetOf(s Spec) (dataset, error) {
	const recorded = "(@as_of::timestamptz IS NULL OR recorded_at <= @as_of)"
	switch s.What {
	case Journal:
		return dataset{
			columns: slices.Concat(columns(Text, "entry_id", "event_id", "order_id"), columns(Integer, "revision", "line"), columns(Date, "posting_date", "value_date"),
				columns(Stamp, "recorded_at"), columns(Word, "account", "currency"), columns(Amount, "debit", "credit"), columns(Word, "source", "source_account"),
				columns(Bool, "late_posting"), columns(Integer, "position"), columns(Word, "entity")),
			from: "journal_lines", order: []string{"position", "line"}, moves: true, whole: true,
			where: []string{recorded, "(@as_at::date IS NULL OR value_date <= @as_at)", "(@entity::text IS NULL OR entity = @entity)", "(@from::date IS NULL OR posting_date >= @from)",
				"(@through::date IS NULL OR posting_date <= @through)"},
		}, nil
	case History:
		return dataset{
			columns: slices.Concat(columns(Text, "order_id"), columns(Integer, "revision", "position"), columns(Text, "event_id"), columns(Word, "event_type"),
				columns(Stamp, "occurred_at", "recorded_at"), columns(Word, "source", "actor"), columns(JSON, "data", "metadata")),
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
			columns: slices.Concat(columns(Text, "order_id"), columns(Word, "source", "source_account"), columns(Text, "source_order_id", "merchant_reference"),
				columns(Word, "currency"),
				columns(Amount, "amount_due", "authorised", "expected", "captured", "settled", "received_externally", "reversed", "refund_pending",
					"refunded", "dispute_held", "dispute_lost", "gross_paid", "net", "overpaid"),
				columns(Word, "payment_state", "refund_state", "dispute_state", "lifecycle", "gateway_status"),
				[]Column{{Name: "flags", Kind: Word, sql: "array_to_string(flags, ' ')"}}, columns(Stamp, "first_recorded_at", "last_recorded_at"),
				columns(Integer, "revision", "position")),
			from: "orders", order: []string{`order_id COLLATE "C"`},
		}, nil
	case TrialBalance:
		return dataset{columns: slices.Concat(columns(Word, "currency", "source", "source_account", "account", "name", "type"),
			columns(Amount, "opening", "debit", "credit", "closing"), columns(Word, "base_account"))}, nil
	}
	return dataset{}, fmt.Errorf("there is no export %q", s.What)
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
