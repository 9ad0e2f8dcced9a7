package decta

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/commands/gateways/wire"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

const (
	// labelBytesMax bounds a status or name that is kept verbatim.
	labelBytesMax = 64
	// codeBytesMax bounds a reason code.
	codeBytesMax = 32
	// unixSecondsMax is the end of the year 9999, the last that RFC 3339 can write.
	unixSecondsMax = 253402300799
)

// timeOf reads an optional time, in seconds since 1970. One that cannot be
// read is flagged and counts as not told: a fact is not refused for its time.
func (r *reading) timeOf(v wire.Value) time.Time {
	var at time.Time
	var err error
	if v.Kind() == wire.String {
		at, err = textTime(v)
	} else {
		at, err = v.UnixTime()
	}
	if err != nil {
		r.anomaly(order.FlagMalformedBody, v.Path(), err.Error())
	}
	return at
}

// textTime reads seconds that were sent as text, and ISO 8601.
func textTime(v wire.Value) (time.Time, error) {
	text, err := v.Text()
	if err != nil {
		return time.Time{}, err
	}
	digits, fraction, _ := strings.Cut(strings.TrimSpace(text), ".")
	seconds, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil || strings.Trim(fraction, "0") != "":
		return v.Time()
	case seconds < 0 || seconds > unixSecondsMax:
		return time.Time{}, fmt.Errorf("member %s is not a time between the years 1970 and 9999", v.Path())
	case seconds == 0:
		return time.Time{}, nil
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// amountOf reads an optional amount of major units in the body's currency.
// One that cannot be counted makes the body uncountable.
func (r *reading) amountOf(v wire.Value) *money.Money {
	if !v.Present() {
		return nil
	}
	if r.currency.IsZero() {
		r.uncountable(order.FlagCurrencyMismatch, fmt.Errorf("member %s is an amount, and the body names no currency", v.Path()))
		return nil
	}
	amount, err := v.Money(r.currency)
	if err != nil {
		r.uncountable(order.Flag(money.Code(err)), err)
		return nil
	}
	return amount
}

// counter reads a cumulative counter that stands in the body, in its
// transaction details, or in both; the greater one counts.
func (r *reading) counter(name string) *money.Money {
	a, b := r.amountOf(r.root.Get(name)), r.amountOf(r.details.Get(name))
	if a == nil {
		return b
	}
	if b != nil {
		if c, err := a.Cmp(*b); err == nil && c < 0 {
			return b
		}
	}
	return a
}

// looseCounter reads a counter of the transaction details of which the shape
// is not documented: a number, as text too, a list of amounts to be added up,
// or nothing. Any other shape is flagged and counts as not told.
func (r *reading) looseCounter(name string) *money.Money {
	v := r.details.Get(name)
	if v.Kind() != wire.Array {
		return r.looseAmount(v)
	}
	var sum *money.Money
	for item := range v.Elements() {
		amount := r.looseAmount(item)
		switch {
		case amount == nil:
		case sum == nil:
			sum = amount
		default:
			added, err := sum.Add(*amount)
			if err == nil { // the sum of amounts may be more than one may be
				_, err = money.Parse(added.String(), r.currency)
			}
			if err != nil {
				r.uncountable(order.Flag(money.Code(err)), fmt.Errorf("add up member %s: %w", v.Path(), err))
				return nil
			}
			sum = &added
		}
	}
	return sum
}

func (r *reading) looseAmount(v wire.Value) *money.Money {
	if v.Kind() == wire.Object {
		if other, err := v.Get("currency").Currency(); err != nil || (!other.IsZero() && other != r.currency) {
			r.uncountable(order.FlagCurrencyMismatch,
				fmt.Errorf("member %s is not in the currency of the body", v.Get("currency").Path()))
			return nil
		}
		v = v.Get("amount")
	}
	switch v.Kind() {
	case wire.Missing, wire.Null:
		return nil
	case wire.Number:
		return r.amountOf(v)
	case wire.String:
		if text, err := v.Text(); err == nil && text == "" {
			return nil
		}
		return r.amountOf(v)
	default:
		r.anomaly(order.FlagMalformedBody, v.Path(), "member "+v.Path()+" is "+v.Kind().String()+", want an amount")
		return nil
	}
}

// label reads a short word that is kept verbatim.
func (r *reading) label(v wire.Value) string {
	text, err := v.Label()
	if err != nil {
		return ""
	}
	text = r.found.Text(strings.TrimSpace(text))
	if len(text) > labelBytesMax {
		text = strings.ToValidUTF8(text[:labelBytesMax], "")
	}
	return text
}

// code reads a code of a few letters and digits. Anything else may be a
// sentence about somebody, and is not kept.
func (r *reading) code(v wire.Value) string {
	text := r.label(v)
	if len(text) > codeBytesMax {
		return ""
	}
	for _, c := range []byte(text) {
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '.', c == '_', c == '-', c == ':':
		default:
			return ""
		}
	}
	return text
}
