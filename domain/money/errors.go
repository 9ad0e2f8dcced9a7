package money

import (
	"errors"
	"fmt"
)

// ErrUnknownCurrency says that a text is no currency of the table. Its code is currency_mismatch:
// an amount in it cannot be counted in the currency of any order.
var ErrUnknownCurrency error = unknownCurrencyError{}

type unknownCurrencyError struct{}

func (unknownCurrencyError) Error() string { return "unknown currency" }

// Code returns currency_mismatch.
func (unknownCurrencyError) Code() string { return "currency_mismatch" }

// CurrencyMismatchError says that an operation met two currencies.
type CurrencyMismatchError struct {
	Want, Got Currency
}

func (e *CurrencyMismatchError) Error() string {
	return fmt.Sprintf("currency mismatch: %s with %s", e.Want, e.Got)
}

// Code returns currency_mismatch.
func (*CurrencyMismatchError) Code() string { return "currency_mismatch" }

// ScaleError says that an amount has more digits than the ledger carries: more decimals than its
// currency has, or an integer part of more than 15 digits.
type ScaleError struct {
	Currency Currency
	// Decimals is how many decimals the amount has without trailing zeros; 0 when its integer
	// part is the fault.
	Decimals int
}

func (e *ScaleError) Error() string {
	if e.Decimals == 0 {
		return fmt.Sprintf("amount has more than %d digits before the decimal point", maxIntegerDigits)
	}
	return fmt.Sprintf("amount has %d decimals, %s has %d", e.Decimals, e.Currency, e.Currency.MinorUnits())
}

// Code returns scale_violation.
func (*ScaleError) Code() string { return "scale_violation" }

// NegativeError says that an amount is below zero where only a direction, given elsewhere, may
// turn it round.
type NegativeError struct{}

func (*NegativeError) Error() string { return "amount is negative" }

// Code returns negative_amount.
func (*NegativeError) Code() string { return "negative_amount" }

// MalformedError says that a text is not an amount at all.
type MalformedError struct {
	Reason string // what is wrong, in words; never the text itself
}

func (e *MalformedError) Error() string { return "malformed amount: " + e.Reason }

// Code returns amount_malformed.
func (*MalformedError) Code() string { return "amount_malformed" }

// Code returns the code of the first error in the chain that has one, or "".
func Code(err error) string {
	if coded, ok := errors.AsType[interface {
		error
		Code() string
	}](err); ok {
		return coded.Code()
	}
	return ""
}
