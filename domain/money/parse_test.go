package money_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"github.com/order-ledger/order-ledger/domain/money"
)

func TestParseToken(t *testing.T) {
	t.Parallel()
	cases := []struct{ token, currency, want, code string }{
		{`0.3`, "EUR", "0.30", ""},
		{`0.30`, "EUR", "0.30", ""},
		{`"1.23"`, "EUR", "1.23", ""},
		{`96.56`, "EUR", "96.56", ""},
		{`0`, "EUR", "0.00", ""},
		{`0.0`, "EUR", "0.00", ""},
		{`007.5`, "EUR", "7.50", ""},
		{`10.000000000000000000000000000`, "EUR", "10.00", ""},
		{`5.00`, "JPY", "5", ""},
		{`1500.0`, "JPY", "1500", ""},
		{`0.305000`, "BHD", "0.305", ""},
		{`1.2345`, "UYW", "1.2345", ""},
		{`999999999999999.99`, "EUR", "999999999999999.99", ""},
		{`999999999999999.9999`, "UYW", "999999999999999.9999", ""},
		{`12345678901234.67`, "EUR", "12345678901234.67", ""},

		{`0.305000`, "EUR", "", "scale_violation"},
		{`1500.5`, "JPY", "", "scale_violation"},
		{`1.23456`, "UYW", "", "scale_violation"},
		{`0.1000000000000000055511151231257827`, "EUR", "", "scale_violation"},
		{`1000000000000000`, "EUR", "", "scale_violation"},
		{`"4111111111111111"`, "EUR", "", "scale_violation"},
		{strings.Repeat("9", 1000), "EUR", "", "scale_violation"},
		{`-1`, "EUR", "", "negative_amount"},
		{`"-1.00"`, "EUR", "", "negative_amount"},
		{`-0.00`, "EUR", "", "negative_amount"},
		{`-0.305`, "EUR", "", "negative_amount"},
		{`1`, "", "", "currency_mismatch"},
	}
	for _, malformed := range []string{
		``, `""`, `"`, `null`, `true`, `false`, `{}`, `[]`, `[1]`, `{"amount":1}`, `1e2`, `1E2`, `"1e5"`, `3e-1`, `-1e2`,
		`+1.5`, `"+1"`, `.5`, `5.`, `"5."`, `-`, `--1`, `-.5`, `"−5"`, `" 1"`, `"1 "`, ` 1`, `1 `, `1_000`, `"1,000.00"`,
		`"12,50"`, `0x10`, `NaN`, `"NaN"`, `Infinity`, `"-Infinity"`, `"1\u0032"`, `"1""2"`, `1"`, `"1`, `1.2.3`,
		`"١٢"`, `"１"`, "1\x00", "\"1\n\"", `12.50 EUR`, `"€5"`,
	} {
		cases = append(cases, struct{ token, currency, want, code string }{malformed, "EUR", "", "amount_malformed"})
	}
	for _, tc := range cases {
		c := money.Currency{}
		if tc.currency != "" {
			c = money.MustCurrency(tc.currency)
		}
		m, err := money.ParseToken([]byte(tc.token), c)
		if money.Code(err) != tc.code || (err == nil && m.String() != tc.want) {
			t.Errorf("ParseToken(%s, %s) = %s, %v; want %q %q", tc.token, tc.currency, m, err, tc.want, tc.code)
		}
		if err != nil && !m.Equal(money.Money{}) {
			t.Errorf("ParseToken(%s) refuses and returns %s", tc.token, m.Format())
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	cases := []struct{ text, currency, want, code string }{
		{"12.5", "EUR", "12.50", ""},
		{"-12.50", "EUR", "-12.50", ""},
		{"-0.00", "EUR", "0.00", ""},
		{"12.5000", "EUR", "12.50", ""},
		{"12.50000", "EUR", "", "scale_violation"},
		{"12.505", "EUR", "", "scale_violation"},
		{"1234567890123456", "EUR", "", "scale_violation"},
		{"", "EUR", "", "amount_malformed"},
		{"-", "EUR", "", "amount_malformed"},
		{"+1", "EUR", "", "amount_malformed"},
		{"1e3", "EUR", "", "amount_malformed"},
		{`"1"`, "EUR", "", "amount_malformed"},
		{" 1", "EUR", "", "amount_malformed"},
	}
	for _, tc := range cases {
		m, err := money.Parse(tc.text, money.MustCurrency(tc.currency))
		if money.Code(err) != tc.code || (err == nil && m.String() != tc.want) {
			t.Errorf("Parse(%q, %s) = %s, %v; want %q %q", tc.text, tc.currency, m, err, tc.want, tc.code)
		}
	}
}

func TestErrors_NeverRepeatTheText(t *testing.T) {
	t.Parallel()
	const pan = "4111111111111111"
	for _, token := range []string{pan, `"` + pan + `"`, pan + "x", "0." + pan, "-" + pan, `"` + pan} {
		_, err := money.ParseToken([]byte(token), money.MustCurrency("EUR"))
		if err == nil || strings.Contains(err.Error(), "4111") {
			t.Errorf("ParseToken(%s): %v", token, err)
		}
	}
}

// The grammar once more, as a regular expression and a decimal of its own: what ParseToken
// accepts must match it and have the same value, and what matches and fits must be accepted.
func FuzzParseToken(f *testing.F) {
	for _, seed := range []string{
		`0.3`, `"1.23"`, `1500.0`, `0.305000`, `-1`, `1e2`, `"NaN"`, `+1`, `null`, `""`, `"1\u0032"`, `000000000000000000.1`,
		`999999999999999.9999`, `1000000000000000`, `.5`, `5.`, `"−5"`,
	} {
		f.Add([]byte(seed), uint8(0))
		f.Add([]byte(seed), uint8(7))
	}
	grammar := regexp.MustCompile(`^(?:(\d{1,15})(?:\.(\d{1,4}?)0*)?|"(\d{1,15})(?:\.(\d{1,4}?)0*)?")$`)
	all := money.Currencies()
	f.Fuzz(func(t *testing.T, token []byte, pick uint8) {
		c := all[int(pick)%len(all)]
		m, err := money.ParseToken(token, c)
		match := grammar.FindSubmatch(token)
		if match == nil {
			if err == nil {
				t.Fatalf("accepts %q as %s", token, m.Format())
			}
			return
		}
		want := decimal.RequireFromString(strings.Trim(string(token), `"`))
		fits := want.Equal(want.Truncate(c.MinorUnits()))
		switch {
		case err == nil && (!fits || !m.Amount().Equal(want) || m.Currency() != c):
			t.Fatalf("reads %q as %s", token, m.Format())
		case err != nil && (fits || money.Code(err) != "scale_violation"):
			t.Fatalf("refuses %q: %v", token, err)
		}
	})
}

func BenchmarkParseToken(b *testing.B) {
	b.ReportAllocs()
	eur, token := money.MustCurrency("EUR"), []byte(`96.56`)
	for b.Loop() {
		if _, err := money.ParseToken(token, eur); err != nil {
			b.Fatal(err)
		}
	}
}
