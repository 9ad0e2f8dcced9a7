package export

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
)

// opening reads the balances before the first row, and the types of accounts.
func (w *work) opening(ctx context.Context, tx pgx.Tx) (map[account]decimal.Decimal, map[string]string, error) {
	if w.What != Journal {
		return nil, nil, nil
	}
	rows, err := tx.Query(ctx, "SELECT account, type FROM "+pgx.Identifier{w.Views}.Sanitize()+".accounts")
	if err != nil {
		return nil, nil, fmt.Errorf("read the chart of accounts: %w", err)
	}
	kinds := map[string]string{}
	var code, kind string
	if _, err := pgx.ForEachRow(rows, []any{&code, &kind}, func() error { kinds[code] = kind; return nil }); err != nil {
		return nil, nil, fmt.Errorf("read the chart of accounts: %w", err)
	}
	if w.Params.From == nil {
		return map[account]decimal.Decimal{}, kinds, nil
	}
	opening, err := w.balances(ctx, tx, "posting_date < @day::date", *w.Params.From)
	return opening, kinds, err
}

func (w *work) balances(ctx context.Context, tx pgx.Tx, condition string, day time.Time) (map[account]decimal.Decimal, error) {
	rows, err := tx.Query(ctx, "SELECT account, currency, sum(debit - credit)::text FROM "+pgx.Identifier{w.Views}.Sanitize()+".journal_lines WHERE "+condition+
		" AND position <= @up_to AND (@as_of::timestamptz IS NULL OR recorded_at <= @as_of)"+
		" AND (@as_at::date IS NULL OR value_date <= @as_at) AND (@entity::text IS NULL OR entity = @entity) GROUP BY 1, 2 HAVING sum(debit - credit) <> 0",
		pgx.NamedArgs{"day": day.Format(time.DateOnly), "up_to": int64(w.at.Commit), "as_of": w.Params.AsOf, "as_at": date(w.Params.AsAt), "entity": entity(w.Params.Entity)})
	if err != nil {
		return nil, fmt.Errorf("read balances: %w", err)
	}
	balances := map[account]decimal.Decimal{}
	var a account
	var text string
	_, err = pgx.ForEachRow(rows, []any{&a.Code, &a.Currency, &text}, func() error {
		balance, err := decimal.NewFromString(text)
		balances[a] = balance
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read balances: %w", err)
	}
	return balances, nil
}

// zero refuses a trial balance that is not: its opening balances, movements and closing balances sum to
// zero per currency.
func (w *work) zero() error {
	for currency, columns := range w.sums.shown() {
		for _, name := range []string{"opening", "closing"} {
			if sum, err := decimal.NewFromString(columns[name]); err != nil || !sum.IsZero() {
				return fmt.Errorf("%w: the %s balances in %s sum to %s", ErrOutOfBalance, name, currency, columns[name])
			}
		}
		if columns["debit"] != columns["credit"] {
			return fmt.Errorf("%w: debits in %s are %s, credits %s", ErrOutOfBalance, currency, columns["debit"], columns["credit"])
		}
	}
	return nil
}

// proven compares opening balances and the rows that were written with closing balances of the database.
func (w *work) proven(ctx context.Context, tx pgx.Tx, opening map[account]decimal.Decimal) ([]Balance, error) {
	end := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	if w.Params.Through != nil {
		end = *w.Params.Through
	}
	closing, err := w.balances(ctx, tx, "posting_date <= @day::date", end)
	if err != nil {
		return nil, err
	}
	for currency, columns := range w.sums.shown() {
		if columns["debit"] != columns["credit"] {
			return nil, fmt.Errorf("%w: debits of %s %s, credits of %s", ErrOutOfBalance, columns["debit"], currency, columns["credit"])
		}
	}
	movements, all := w.sums.movements(), map[account]decimal.Decimal{}
	maps.Copy(all, opening)
	maps.Copy(all, movements)
	maps.Copy(all, closing)
	var balances []Balance
	for _, a := range sortedAccounts(all) {
		if sum := opening[a].Add(movements[a]); !sum.Equal(closing[a]) {
			return nil, fmt.Errorf("%w: account %s opens with %s %s, moves by %s and closes with %s", ErrOutOfBalance, a.Code, opening[a], a.Currency, movements[a], closing[a])
		}
		balances = append(balances, Balance{
			Account: a.Code, Currency: a.Currency, Opening: opening[a].String(), Moved: movements[a].String(), Closing: closing[a].String(),
		})
	}
	return balances, nil
}
