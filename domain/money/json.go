package money

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// MarshalJSON writes {"amount":"12.50","currency":"EUR"}, and null for the zero Money.
func (m Money) MarshalJSON() ([]byte, error) {
	if m.currency.IsZero() {
		return []byte("null"), nil
	}
	b := make([]byte, 0, 64)
	b = append(b, `{"amount":"`...)
	b = m.appendAmount(b)
	b = append(b, `","currency":"`...)
	b = append(b, m.currency.Code()...)
	return append(b, `"}`...), nil
}

// UnmarshalJSON reads an object with the members amount, a string as [Parse] takes it, and
// currency, a known code; other members are ignored. null sets the zero Money, whatever was there
// before; a member of a struct that is missing altogether is not reported here, so whoever needs
// an amount checks its currency for being zero.
//
// The errors are those of Parse, and [*MalformedError] for a missing member or a wrong type.
func (m *Money) UnmarshalJSON(data []byte) error {
	if amount, code, ok := cutCanonical(data); ok {
		return m.set(string(amount), string(code))
	}
	if string(bytes.TrimSpace(data)) == "null" {
		*m = Money{}
		return nil
	}
	var object struct {
		Amount   *string `json:"amount"`
		Currency *string `json:"currency"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return &MalformedError{Reason: "is not an object of two strings, amount and currency"}
	}
	switch {
	case object.Amount == nil:
		return &MalformedError{Reason: "member amount is missing"}
	case object.Currency == nil:
		return &MalformedError{Reason: "member currency is missing"}
	}
	return m.set(*object.Amount, *object.Currency)
}

func (m *Money) set(amount, code string) error {
	c, err := ParseCurrency(code)
	if err != nil {
		return fmt.Errorf("read money: %w", err)
	}
	parsed, err := Parse(amount, c)
	if err != nil {
		return fmt.Errorf("read money: %w", err)
	}
	*m = parsed
	return nil
}

// cutCanonical takes apart exactly what MarshalJSON writes. Rebuilding every projection decodes
// each amount ever recorded, and all of those look like this; anything else takes the slow way.
func cutCanonical(data []byte) (amount, code []byte, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"amount":"`))
	if !ok {
		return nil, nil, false
	}
	number, rest, ok := bytes.Cut(rest, []byte(`","currency":"`))
	if !ok || len(rest) != len(`EUR"}`) || rest[3] != '"' || rest[4] != '}' ||
		bytes.ContainsAny(number, `"\`) || bytes.ContainsAny(rest[:3], `"\`) {
		return nil, nil, false
	}
	return number, rest[:3], true
}
