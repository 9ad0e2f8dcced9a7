package storable

import (
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/shopspring/decimal"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Amount is the text of an amount with all decimals of currency c, also when nothing has happened
// yet and m is the zero Money, which has no currency.
func Amount(m money.Money, c money.Currency) string {
	if m.Currency().IsZero() && !c.IsZero() {
		return money.Zero(c).String()
	}
	return m.String()
}

// KnownAmount is Amount, or the empty string (NULL in the tables) when the amount is not known.
func KnownAmount(m money.Money, c money.Currency, known bool) string {
	if !known {
		return ""
	}
	return Amount(m, c)
}

// Time is NULL for the zero time.
func Time(t time.Time) pgtype.Timestamptz {
	return pgtype.Timestamptz{Time: t, Valid: !t.IsZero()}
}

// Array is the literal of a text[]: several arrays of different lengths cannot travel in one array
// parameter.
func Array[S ~string](values []S) string {
	if len(values) == 0 {
		return "{}"
	}
	var b strings.Builder
	b.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		for _, r := range Text(string(v)) {
			if r == '"' || r == '\\' {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		}
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}

// Elements is the way back from what Array made.
func Elements(literal string) []string {
	var (
		values []string
		b      strings.Builder
		within bool
		raw    bool // the next rune stands for itself
	)
	for _, r := range literal {
		switch {
		case raw:
			b.WriteRune(r)
			raw = false
		case within && r == '\\':
			raw = true
		case r == '"':
			if within {
				values = append(values, b.String())
				b.Reset()
			}
			within = !within
		case within:
			b.WriteRune(r)
		}
	}
	return values
}

// ReadAmount is the way back from a numeric, as text, to an amount.
func ReadAmount(text, currency string) (money.Money, error) {
	c, err := money.ParseCurrency(currency)
	if err != nil {
		return money.Money{}, fmt.Errorf("read amount: %w", err)
	}
	if m, err := money.Parse(text, c); err == nil {
		return m, nil
	}
	amount, err := decimal.NewFromString(text) // with other decimals
	if err != nil {
		return money.Money{}, fmt.Errorf("read amount: %w", err)
	}
	m, err := money.New(amount, c)
	if err != nil {
		return money.Money{}, fmt.Errorf("read amount: %w", err)
	}
	return m, nil
}

// ReadKnownAmount is ReadAmount for a column that may be NULL.
func ReadKnownAmount(text *string, currency string) (*money.Money, error) {
	if text == nil {
		return nil, nil
	}
	m, err := ReadAmount(*text, currency)
	if err != nil {
		return nil, err
	}
	return &m, nil
}

// UTC turns a time of the database's session into UTC; nil stays nil.
func UTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &utc
}
