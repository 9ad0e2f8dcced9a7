package settlement

import (
	"fmt"
	"regexp"

	"github.com/shopspring/decimal"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Exchange is how an amount became one of the account's currency.
type Exchange struct {
	// Amount is what it came to, before the fee.
	Amount money.Money `json:"amount"`
	// Rate is the rate that was agreed, as a decimal: so much of Amount's currency for one of the other; Inverse is the
	// other way round. Empty when the statement does not tell: then there is nothing that Amount could differ from.
	Rate    string `json:"rate,omitempty"`
	Inverse bool   `json:"inverse,omitempty"`
}

// ratePattern keeps rates readable; none is zero.
var ratePattern = regexp.MustCompile(`^[0-9]{1,9}([.][0-9]{1,12})?$`)

// ParseRate reads a rate.
func ParseRate(text string) (decimal.Decimal, error) {
	if !ratePattern.MatchString(text) {
		return decimal.Decimal{}, fmt.Errorf("%q is no rate like 1.0842", text)
	}
	rate, err := decimal.NewFromString(text)
	if err == nil && !rate.IsPositive() {
		err = fmt.Errorf("the rate %s is not above zero", text)
	}
	return rate, err
}

func (x *Exchange) check(from money.Currency) error {
	switch {
	case !x.Amount.IsPositive():
		return fmt.Errorf("the exchanged amount %s is not above zero", x.Amount.Format())
	case x.Amount.Currency() == from:
		return fmt.Errorf("the exchanged amount is in %s, as the gross is", from)
	case x.Rate == "":
		return nil
	}
	_, err := ParseRate(x.Rate)
	return err
}

// At is what an amount comes to at the agreed rate, rounded half away from zero to the currency's minor unit; Amount
// when no rate is told.
func (x *Exchange) At(amount money.Money) money.Money {
	if x.Rate == "" {
		return x.Amount
	}
	rate, err := ParseRate(x.Rate)
	if err != nil {
		return x.Amount
	}
	units := x.Amount.Currency().MinorUnits()
	exact := amount.Amount().Mul(rate).Round(units)
	if x.Inverse {
		exact = amount.Amount().DivRound(rate, units)
	}
	converted, err := money.New(exact, x.Amount.Currency())
	if err != nil {
		return x.Amount // more than any amount may be
	}
	return converted
}
