package money

import "strings"

// Parse reads the ledger's own text of major units, `-?\d{1,15}(\.\d{1,4})?`, in which trailing
// zeros beyond the currency's decimals are fine. Its errors are [*MalformedError], [*ScaleError]
// and [ErrUnknownCurrency].
func Parse(text string, c Currency) (Money, error) {
	n, err := scan(text)
	if err != nil {
		return Money{}, err
	}
	if len(n.fraction) > maxMinorUnits {
		return Money{}, &ScaleError{Currency: c, Decimals: len(n.fraction)}
	}
	return n.money(c)
}

// MustParse is Parse for constants and tests: MustParse("12.50", "EUR"). It panics on any error.
func MustParse(text, currency string) Money {
	m, err := Parse(text, MustCurrency(currency))
	if err != nil {
		panic("money: " + err.Error() + ": " + text)
	}
	return m
}

// ParseToken reads one raw JSON token, a number or a string, as a gateway sends an amount of major
// units. Only plain decimal digits pass: no exponent, no plus sign, no blanks, no escapes, nothing
// that merely looks like a number to some other reader.
//
// Zeros that end the decimals are dropped before they are counted, so 0.30500 BHD and 1500.0 JPY
// are fine. The errors are [*MalformedError]; [*NegativeError], for minus zero also; [*ScaleError]
// for too many digits; and [ErrUnknownCurrency] for the zero Currency.
func ParseToken(raw []byte, c Currency) (Money, error) {
	text, err := tokenText(raw)
	if err != nil {
		return Money{}, err
	}
	n, err := scan(text)
	if err != nil {
		return Money{}, err
	}
	if n.negative {
		return Money{}, &NegativeError{}
	}
	return n.money(c)
}

// tokenText takes the quotes off.
func tokenText(raw []byte) (string, error) {
	switch {
	case len(raw) == 0:
		return "", &MalformedError{Reason: "empty"}
	case string(raw) == "null":
		return "", &MalformedError{Reason: "null"}
	case raw[0] != '"':
		return string(raw), nil
	case len(raw) == 1 || raw[len(raw)-1] != '"':
		return "", &MalformedError{Reason: "unterminated string"}
	case len(raw) == 2:
		return "", &MalformedError{Reason: "empty string"}
	}
	return string(raw[1 : len(raw)-1]), nil
}

// number is a decimal number split into its digits, not yet judged against a currency.
type number struct {
	negative bool
	integer  string // one digit or more
	fraction string // may be empty
}

// scan splits text, which must be a plain decimal number from its first to its last byte.
func scan(text string) (number, error) {
	var n number
	rest := text
	if strings.HasPrefix(rest, "-") {
		n.negative, rest = true, rest[1:]
	}
	n.integer, rest = digits(rest)
	if n.integer == "" {
		return number{}, &MalformedError{Reason: "does not begin with a digit"}
	}
	if strings.HasPrefix(rest, ".") {
		n.fraction, rest = digits(rest[1:])
		if n.fraction == "" {
			return number{}, &MalformedError{Reason: "no digit after the decimal point"}
		}
	}
	switch {
	case rest == "":
		return n, nil
	case rest[0] == 'e' || rest[0] == 'E':
		return number{}, &MalformedError{Reason: "has an exponent"}
	}
	return number{}, &MalformedError{Reason: "has a character that is no digit"}
}

// digits splits the leading ASCII digits off text.
func digits(text string) (leading, rest string) {
	i := 0
	for i < len(text) && '0' <= text[i] && text[i] <= '9' {
		i++
	}
	return text[:i], text[i:]
}

// money judges the digits. 15 of the integer part and 4 decimals are below 10^19 and fit into a
// uint64.
func (n number) money(c Currency) (Money, error) {
	if c.IsZero() {
		return Money{}, ErrUnknownCurrency
	}
	if len(n.integer) > maxIntegerDigits {
		return Money{}, &ScaleError{Currency: c}
	}
	places := int(c.MinorUnits())
	significant := strings.TrimRight(n.fraction, "0")
	if len(significant) > places {
		return Money{}, &ScaleError{Currency: c, Decimals: len(significant)}
	}
	var units uint64
	for _, digit := range []byte(n.integer) {
		units = units*10 + uint64(digit-'0')
	}
	for i := range places {
		units *= 10
		if i < len(significant) {
			units += uint64(significant[i] - '0')
		}
	}
	return fromMinorUnits(units, n.negative, c), nil
}
