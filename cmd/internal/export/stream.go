package export

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Row is one row: a value for each column, nil for unknown. It is valid until the next one.
type Row [][]byte

// stream calls each with every row, in order, after the last one of an interrupted export. upTo bounds the
// position of what is exported. Rows are read while those before them are written.
func (d *dataset) stream(ctx context.Context, tx pgx.Tx, s Spec, upTo uint64, after []int64, each func(Row) error) error {
	if s.What == TrialBalance {
		return d.trialBalance(ctx, tx, s, upTo, each)
	}
	sql, args := d.query(s, upTo, after)
	work, ctx := errgroup.WithContext(ctx)
	full, empty := make(chan *batch, batchesMost), make(chan *batch, batchesMost)
	for range batchesMost {
		empty <- &batch{}
	}
	work.Go(func() error {
		defer close(full)
		rows, err := tx.Query(ctx, sql, pgx.QueryResultFormats{pgx.TextFormatCode}, args)
		if err == nil {
			err = d.read(ctx, rows, empty, full)
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", s.What, err)
		}
		return nil
	})
	work.Go(func() error {
		row := make(Row, len(d.columns))
		for b := range full {
			if err := b.each(row, each); err != nil {
				return err
			}
			empty <- b
		}
		return nil
	})
	return work.Wait()
}

// query selects the columns as they are: casts would make the database sort texts.
func (d *dataset) query(s Spec, upTo uint64, after []int64) (string, pgx.NamedArgs) {
	selected := make([]string, len(d.columns))
	for i, c := range d.columns {
		if selected[i] = c.sql; c.sql == "" {
			selected[i] = c.Name
		}
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
	return fmt.Sprintf("SELECT %s FROM %s.%s WHERE %s ORDER BY %s", strings.Join(selected, ", "), pgx.Identifier{s.Views}.Sanitize(), d.from,
		strings.Join(where, " AND "), strings.Join(d.order, ", ")), args
}

const (
	// batchBytes is how much is read before it is handed over to be written, batchesMost how often that is
	// done ahead.
	batchBytes  = 256 << 10
	batchesMost = 4
)

// batch is rows that were read.
type batch struct {
	text  []byte
	cells []cell
}

// cell is where a value stands in the text; from is below zero for an unknown one.
type cell struct{ from, to int }

func (b *batch) each(row Row, each func(Row) error) error {
	for at := 0; at < len(b.cells); at += len(row) {
		for i, c := range b.cells[at : at+len(row)] {
			if row[i] = nil; c.from >= 0 {
				row[i] = b.text[c.from:c.to:c.to]
			}
		}
		if err := each(row); err != nil {
			return err
		}
	}
	b.text, b.cells = b.text[:0], b.cells[:0]
	return nil
}

// read fills batches.
func (d *dataset) read(ctx context.Context, rows pgx.Rows, empty <-chan *batch, full chan<- *batch) error {
	defer rows.Close()
	currency := slices.IndexFunc(d.columns, func(c Column) bool { return c.Name == "currency" })
	scales := scaler{}
	b := <-empty
	for rows.Next() {
		if err := d.add(b, rows.RawValues(), currency, scales); err != nil {
			return err
		}
		if len(b.text) < batchBytes {
			continue
		}
		select {
		case full <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case b = <-empty:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	select {
	case full <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// add copies a row as the database shows it, in the form that its kinds have. currency is the column of the
// row's currency, -1 for none.
func (d *dataset) add(b *batch, values [][]byte, currency int, scales scaler) error {
	for i, raw := range values {
		from := len(b.text)
		if raw == nil {
			from = -1
		} else {
			var err error
			switch kind := d.columns[i].Kind; {
			case kind == Stamp:
				b.text = appendStamp(b.text, raw)
			case kind == Bool && raw[0] == 't':
				b.text = append(b.text, "true"...)
			case kind == Bool:
				b.text = append(b.text, "false"...)
			case kind == Amount && currency >= 0 && values[currency] != nil:
				b.text, err = scales.append(b.text, raw, values[currency])
			default:
				b.text = append(b.text, raw...)
			}
			if err != nil {
				return fmt.Errorf("column %s: %w", d.columns[i].Name, err)
			}
		}
		b.cells = append(b.cells, cell{from, len(b.text)})
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

// scaler gives amounts all decimals of their currency.
type scaler map[string]money.Currency

func (s scaler) append(to, amount, code []byte) ([]byte, error) {
	c, ok := s[string(code)]
	if !ok {
		var err error
		if c, err = money.ParseCurrency(string(code)); err != nil {
			return nil, err
		}
		s[string(code)] = c
	}
	decimals, units := 0, int(c.MinorUnits())
	point := bytes.IndexByte(amount, '.')
	if point >= 0 {
		decimals = len(amount) - point - 1
	}
	if decimals > units {
		m, err := money.Parse(string(amount), c)
		return append(to, m.String()...), err
	}
	if to = append(to, amount...); point < 0 && units > 0 {
		to = append(to, '.')
	}
	return append(to, "0000"[:units-decimals]...), nil
}
