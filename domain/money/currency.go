package money

// Currency is an ISO 4217 currency in which payments are made. The zero Currency is none.
//
// Values are comparable and may be map keys. They are small numbers that only this process
// understands; outside it a currency is always its code.
type Currency struct {
	row uint8 // 1 + index into the table, 0 for none
}

// ParseCurrency finds a currency by its three upper-case letters. Codes that name no money
// (gold, drawing rights, the test code XTS, "no currency" XXX) are unknown like any other
// text, and so are lower-case letters and surrounding blanks: whoever reads sloppy input
// cleans it first. The error is [ErrUnknownCurrency].
func ParseCurrency(code string) (Currency, error) {
	row := rows[code]
	if row == 0 {
		return Currency{}, ErrUnknownCurrency
	}
	return Currency{row: row}, nil
}

// rows finds the row of a code, counted from 1; it is read only.
var rows = func() map[string]uint8 {
	rows := make(map[string]uint8, len(currencies))
	for i := range currencies {
		rows[currencies[i].code] = uint8(i + 1)
	}
	return rows
}()

// MustCurrency is ParseCurrency for constants and tests. It panics on an unknown code.
func MustCurrency(code string) Currency {
	c, err := ParseCurrency(code)
	if err != nil {
		panic("money: " + err.Error() + ": " + code)
	}
	return c
}

// Code returns the three letters, or "" for the zero Currency.
func (c Currency) Code() string {
	if c.row == 0 {
		return ""
	}
	return currencies[c.row-1].code
}

// MinorUnits returns how many decimals an amount of this currency may have, 0 to 4.
func (c Currency) MinorUnits() int32 {
	if c.row == 0 {
		return 0
	}
	return currencies[c.row-1].minorUnits
}

// IsZero reports whether c is no currency.
func (c Currency) IsZero() bool { return c.row == 0 }

// Equal reports whether both are the same currency; it is == for those who compare by method.
func (c Currency) Equal(other Currency) bool { return c == other }

// String returns the code.
func (c Currency) String() string { return c.Code() }

// MarshalText returns the code; the zero Currency becomes the empty text.
func (c Currency) MarshalText() ([]byte, error) { return []byte(c.Code()), nil }

// UnmarshalText accepts what MarshalText writes. Its error is [ErrUnknownCurrency].
func (c *Currency) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*c = Currency{}
		return nil
	}
	parsed, err := ParseCurrency(string(text))
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}

// Currencies returns every known currency in the order of its code, for tables that must hold
// the same list, such as the one in the database. The slice belongs to the caller.
func Currencies() []Currency {
	all := make([]Currency, len(currencies))
	for i := range all {
		all[i] = Currency{row: uint8(i + 1)}
	}
	return all
}
