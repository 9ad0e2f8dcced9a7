package money

import (
	"cmp"
	"math"
	"math/big"
	"strconv"

	"github.com/shopspring/decimal"
)

const (
	// maxIntegerDigits bounds an amount that enters the ledger: |amount| < 10^15 major units.
	maxIntegerDigits = 15
	// maxMinorUnits is the greatest number of decimals of any currency.
	maxMinorUnits = 4
)

// Money is an exact amount of one currency. It is a value: no method changes it, and it may be
// copied and used by many goroutines.
//
// The zero Money has no currency and is worth nothing in every currency: it is the neutral element
// of Add, Sub, Cmp and Min, so that a sum may start from it. Do not compare Money with ==.
type Money struct {
	// units is the amount in minor units of the currency. An amount that does not fit is in wide alone, with the exponent
	// -currency.MinorUnits(): no amount that enters the ledger in a currency of two decimals, and few totals, are so large.
	// With one exponent per currency, arithmetic never rescales.
	units    int64
	wide     *decimal.Decimal
	currency Currency
}

// exactly is the Money of a decimal that has the exponent of the currency.
func exactly(amount decimal.Decimal, c Currency) Money {
	if amount.NumDigits() <= int64Digits {
		return Money{units: amount.CoefficientInt64(), currency: c}
	}
	if units := amount.Coefficient(); units.IsInt64() {
		return Money{units: units.Int64(), currency: c}
	}
	return Money{wide: &amount, currency: c}
}

// int64Digits: any number of so many digits fits into an int64.
const int64Digits = 18

// New makes an amount of major units. The error is a [*ScaleError] when the amount has more
// decimals than the currency (trailing zeros do not count) or is not below 10^15 in magnitude,
// and [ErrUnknownCurrency] for the zero Currency.
func New(amount decimal.Decimal, c Currency) (Money, error) {
	if c.IsZero() {
		return Money{}, ErrUnknownCurrency
	}
	if amount.IsZero() {
		return Money{currency: c}, nil
	}
	// Judge by digits before any rescaling: 1e2000000000 is cheap to hold and ruinous to expand.
	integerDigits := int64(amount.NumDigits()) + int64(amount.Exponent())
	if integerDigits > maxIntegerDigits {
		return Money{}, &ScaleError{Currency: c}
	}
	if integerDigits <= -maxMinorUnits {
		return Money{}, &ScaleError{Currency: c, Decimals: int(-int64(amount.Exponent()))}
	}
	exponent := -c.MinorUnits()
	switch {
	case amount.Exponent() < exponent:
		exact := amount.Truncate(c.MinorUnits())
		if !exact.Equal(amount) {
			return Money{}, &ScaleError{Currency: c, Decimals: decimals(amount)}
		}
		amount = exact
	case amount.Exponent() > exponent:
		amount = amount.Add(decimal.New(0, exponent))
	}
	return exactly(amount, c), nil
}

// decimals counts decimals without trailing zeros.
func decimals(amount decimal.Decimal) int {
	return max(0, -int(amount.Normalize().Exponent()))
}

// Zero returns no money of one currency.
func Zero(c Currency) Money { return Money{currency: c} }

// fromMinorUnits needs no checks: its callers have counted the digits.
func fromMinorUnits(units uint64, negative bool, c Currency) Money {
	if units > math.MaxInt64 {
		amount := decimal.NewFromBigInt(new(big.Int).SetUint64(units), -c.MinorUnits())
		if negative {
			amount = amount.Neg()
		}
		return exactly(amount, c)
	}
	if negative {
		return Money{units: -int64(units), currency: c}
	}
	return Money{units: int64(units), currency: c}
}

// Amount returns the number of major units.
func (m Money) Amount() decimal.Decimal {
	if m.wide != nil {
		return *m.wide
	}
	return decimal.New(m.units, -m.currency.MinorUnits())
}

// Currency returns the currency; it is zero for the zero Money alone.
func (m Money) Currency() Currency { return m.currency }

// sign is -1, 0 or +1.
func (m Money) sign() int {
	if m.wide != nil {
		return m.wide.Sign()
	}
	return cmp.Compare(m.units, 0)
}

// IsZero reports whether the amount is zero, in whatever currency. Beware of the JSON option
// omitzero: it asks this method and would drop the currency of 0.00 EUR with the amount.
func (m Money) IsZero() bool { return m.units == 0 && m.wide == nil }

// IsPositive reports whether the amount is above zero.
func (m Money) IsPositive() bool { return m.sign() > 0 }

// IsNegative reports whether the amount is below zero.
func (m Money) IsNegative() bool { return m.sign() < 0 }

// Neg returns the amount with the other sign.
func (m Money) Neg() Money {
	if m.wide != nil || m.units == math.MinInt64 {
		return exactly(m.Amount().Neg(), m.currency)
	}
	return Money{units: -m.units, currency: m.currency}
}

// Add returns m + other. It is exact and, unlike New, has no upper bound, so that totals of many
// amounts cannot fail. The only error is a [*CurrencyMismatchError].
func (m Money) Add(other Money) (Money, error) {
	c, err := m.common(other)
	if err != nil {
		return Money{}, err
	}
	sum := m.units + other.units
	// A sum that does not fit has another sign than both.
	if m.wide != nil || other.wide != nil || (m.units^sum)&(other.units^sum) < 0 {
		return exactly(m.Amount().Add(other.Amount()), c), nil
	}
	return Money{units: sum, currency: c}, nil
}

// Sub returns m - other, which may be negative. The only error is a [*CurrencyMismatchError].
func (m Money) Sub(other Money) (Money, error) {
	return m.Add(other.Neg())
}

// Cmp returns -1, 0 or +1 as m is below, equal to or above other. The only error is a
// [*CurrencyMismatchError].
func (m Money) Cmp(other Money) (int, error) {
	if _, err := m.common(other); err != nil {
		return 0, err
	}
	return m.compare(other), nil
}

// compare is Cmp for amounts of one currency.
func (m Money) compare(other Money) int {
	if m.wide != nil || other.wide != nil {
		return m.Amount().Cmp(other.Amount())
	}
	return cmp.Compare(m.units, other.units)
}

// Equal reports whether both amounts and both currencies are the same. The zero Money equals
// itself alone: 0.00 EUR says more.
func (m Money) Equal(other Money) bool {
	return m.currency == other.currency && m.compare(other) == 0
}

// SameCurrency reports whether m and other can be added and compared.
func (m Money) SameCurrency(other Money) bool {
	return m.currency == other.currency || m.currency.IsZero() || other.currency.IsZero()
}

// FloorZero returns m, or zero of its currency when m is negative.
func (m Money) FloorZero() Money {
	if m.IsNegative() {
		return Money{currency: m.currency}
	}
	return m
}

// Min returns the smaller amount. The only error is a [*CurrencyMismatchError].
func Min(a, b Money) (Money, error) {
	c, err := a.common(b)
	if err != nil {
		return Money{}, err
	}
	if b.compare(a) < 0 {
		a = b
	}
	a.currency = c
	return a, nil
}

// common returns the currency of a result of m and other.
func (m Money) common(other Money) (Currency, error) {
	switch {
	case m.currency == other.currency, other.currency.IsZero():
		return m.currency, nil
	case m.currency.IsZero():
		return other.currency, nil
	}
	return Currency{}, &CurrencyMismatchError{Want: m.currency, Got: other.currency}
}

// String returns the amount alone with all decimals of its currency: "12.50", "1500" yen. It is
// the canonical text for JSON, hashes and dedup keys.
func (m Money) String() string {
	if m.IsZero() { // as most balances are
		return zeros[m.currency.MinorUnits()]
	}
	var buf [32]byte
	return string(m.appendAmount(buf[:0]))
}

// zeros are the texts of nothing, by decimals.
var zeros = [maxMinorUnits + 1]string{"0", "0.0", "0.00", "0.000", "0.0000"}

// Format returns amount and currency for people: "12.50 EUR"; "0" for the zero Money.
func (m Money) Format() string {
	if m.currency.IsZero() {
		return m.String()
	}
	return m.String() + " " + m.currency.Code()
}

// appendAmount writes the canonical text.
func (m Money) appendAmount(b []byte) []byte {
	if m.wide != nil {
		return append(b, m.wide.StringFixed(m.currency.MinorUnits())...)
	}
	units := uint64(m.units)
	if m.units < 0 {
		b, units = append(b, '-'), -units
	}
	places := m.currency.MinorUnits()
	if places == 0 {
		return strconv.AppendUint(b, units, 10)
	}
	scale := uint64(1)
	for range places {
		scale *= 10
	}
	b = strconv.AppendUint(b, units/scale, 10)
	b = append(b, '.')
	fraction := units % scale
	for scale /= 10; scale > 0; scale /= 10 {
		b = append(b, '0'+byte(fraction/scale%10))
	}
	return b
}
