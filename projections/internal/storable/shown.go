package storable

import (
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Shown is what readers get back of an amount that Amount wrote: the zero Money while the order's
// currency c is not known, and otherwise never without a currency.
func Shown(m money.Money, c money.Currency) money.Money {
	switch {
	case c.IsZero():
		return money.Money{}
	case m.Currency().IsZero():
		return money.Zero(c)
	}
	return m
}

// ShownKnown is Shown for what KnownAmount wrote; nil when the amount or the currency is not known.
func ShownKnown(m money.Money, c money.Currency, known bool) *money.Money {
	if !known || c.IsZero() {
		return nil
	}
	shown := Shown(m, c)
	return &shown
}

// ShownTime is what readers get back of a time: UTC, in microseconds, which is what timestamptz holds.
func ShownTime(t time.Time) time.Time { return time.UnixMicro(t.UnixMicro()).UTC() }

// ShownOptional is ShownTime for what Time wrote; nil for the zero time.
func ShownOptional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	shown := ShownTime(t)
	return &shown
}
