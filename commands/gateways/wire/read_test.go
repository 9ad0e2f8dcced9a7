package wire_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/commands/gateways/wire"
	"github.com/order-ledger/order-ledger/domain/money"
)

// field parses a body with one member f and returns the member.
func field(t *testing.T, token string) wire.Value {
	t.Helper()
	var last wire.Value
	for last = range mustParse(t, `{"a":[{},{"f":`+token+`}]}`).Get("a").Elements() {
		continue
	}
	return last.Get("f")
}

// Reading nothing is no error: every reader answers with its zero.
func TestValue_AbsentReadsAsNothing(t *testing.T) {
	t.Parallel()
	eur := money.MustCurrency("EUR")
	for name, v := range map[string]wire.Value{
		"zero":    {},
		"missing": mustParse(t, `{"b":1}`).Get("a"),
		"beneath": mustParse(t, `{"a":1}`).Get("a", "f", "g"),
		"null":    mustParse(t, `{"a":null}`).Get("a"),
	} {
		text, err1 := v.Text()
		id, err2 := v.ID()
		label, err3 := v.Label()
		is, err4 := v.Bool()
		n, err5 := v.Int()
		amount, err6 := v.Money(eur)
		currency, err7 := v.Currency()
		at, err8 := v.Time()
		on, err9 := v.UnixTime()
		if err := errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if text+id+label != "" || is || n != 0 || amount != nil || !currency.IsZero() || !at.IsZero() || !on.IsZero() {
			t.Errorf("%s reads as something", name)
		}
		if v.Present() || v.Required() == nil {
			t.Errorf("%s passes for present", name)
		}
		for range v.Elements() {
			t.Errorf("%s has an element", name)
		}
	}
}

func TestValue_PathInErrors(t *testing.T) {
	t.Parallel()
	body := mustParse(t, `{"status_changes":[{"on":1},{"on":"x"}],"a":{"b":1},"4111111111111111":{"\u0000":true}}`)
	var second wire.Value
	for change := range body.Get("status_changes").Elements() {
		second = change
	}
	_, unixErr := second.Get("on").UnixTime()
	_, textErr := body.Get("a", "b").Text()
	_, rootErr := body.Text()
	cases := map[string]error{
		"member status_changes[1].on is a string, want seconds since 1970": unixErr,
		"member a.b is a number, want a string":                            textErr,
		"member a.b.c.d is missing":                                        body.Get("a", "b", "c", "d").Required(),
		"member status_changes[1].new_status is missing":                   second.Get("new_status").Required(),
		"member ?.?.e is missing":                                          body.Get("4111111111111111", "\uFFFD", "e").Required(),
		"body is an object, want a string":                                 rootErr,
		"member x is missing":                                              wire.Value{}.Get("x").Required(),
	}
	for want, err := range cases {
		var fieldErr *wire.FieldError
		if !errors.As(err, &fieldErr) || err.Error() != want || money.Code(err) != "malformed_body" {
			t.Errorf("got %v (%s), want %s", err, money.Code(err), want)
		}
	}
}

func TestValue_First(t *testing.T) {
	t.Parallel()
	body := mustParse(t, `{"a":null,"b":"x","c":"y"}`)
	if text, _ := body.First("z", "a", "b", "c").Text(); text != "x" {
		t.Errorf("got %q", text)
	}
	if v := body.First("z", "a"); v.Present() || v.Path() != "a" {
		t.Errorf("got %s at %s", v.Kind(), v.Path())
	}
}

func TestValue_ID(t *testing.T) {
	t.Parallel()
	accepted := map[string]string{
		`"6f2c1d7e-0b1a"`: "6f2c1d7e-0b1a", `" SO-1 "`: "SO-1", `417`: "417", `"\u0041"`: "A", `""`: "", `" "`: "", `"Größe 7"`: "Größe 7",
		`"` + strings.Repeat("a", 255) + `"`: strings.Repeat("a", 255),
	}
	for token, want := range accepted {
		if id, err := field(t, token).ID(); err != nil || id != want {
			t.Errorf("%s: %q, %v", token, id, err)
		}
	}
	for _, token := range []string{
		`1.5`, `-1`, `1e3`, `true`, `{}`, `["a"]`, `"a\u0000b"`, `"a\nb"`, "\"\xff\"", `"a\u202eb"`, `"` + strings.Repeat("a", 256) + `"`,
		strings.Repeat("1", 256),
	} {
		if id, err := field(t, token).ID(); err == nil || id != "" {
			t.Errorf("%s: %q, %v", token, id, err)
		}
	}
}

func TestValue_TextLabelBoolInt(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]string{`"Paid"`: "Paid", `"a\u0000b"`: "a\uFFFDb", "\"a\xffb\"": "a\uFFFDb", `"\ud83d\ude00"`: "😀"} {
		if text, err := field(t, token).Text(); err != nil || text != want {
			t.Errorf("%s: %q, %v", token, text, err)
		}
	}
	for token, want := range map[string]string{`10.4`: "10.4", `"4853"`: "4853", `10.40`: "10.40"} {
		if text, err := field(t, token).Label(); err != nil || text != want {
			t.Errorf("%s: %q, %v", token, text, err)
		}
	}
	if is, err := field(t, `true`).Bool(); err != nil || !is {
		t.Errorf("true: %v, %v", is, err)
	}
	if n, err := field(t, `-12`).Int(); err != nil || n != -12 {
		t.Errorf("-12: %d, %v", n, err)
	}
	for _, token := range []string{`1.0`, `1e3`, `"1"`, `9223372036854775808`, `true`} {
		if n, err := field(t, token).Int(); err == nil {
			t.Errorf("%s is the whole number %d", token, n)
		}
	}
	_, errText := field(t, `1`).Text()
	_, errLabel := field(t, `{}`).Label()
	_, errBool := field(t, `"true"`).Bool()
	if errText == nil || errLabel == nil || errBool == nil {
		t.Error("a wrong type was accepted")
	}
}

func TestValue_MoneyAndCurrency(t *testing.T) {
	t.Parallel()
	eur := money.MustCurrency("EUR")
	for token, want := range map[string]string{`0.3`: "0.30", `"49.00"`: "49.00", `96.5600000`: "96.56", `12345678901234.67`: "12345678901234.67"} {
		if m, err := field(t, token).Money(eur); err != nil || m.String() != want {
			t.Errorf("%s: %v, %v", token, m, err)
		}
	}
	for token, code := range map[string]string{
		`-1`: "negative_amount", `0.305`: "scale_violation", `1e3`: "amount_malformed", `""`: "amount_malformed", `{}`: "amount_malformed",
		`true`: "amount_malformed", `"NaN"`: "amount_malformed",
	} {
		if m, err := field(t, token).Money(eur); m != nil || money.Code(err) != code {
			t.Errorf("%s: %v, %v", token, m, err)
		}
	}
	for token, want := range map[string]string{`"EUR"`: "EUR", `" eur "`: "EUR", `"jpy"`: "JPY"} {
		if c, err := field(t, token).Currency(); err != nil || c.Code() != want {
			t.Errorf("%s: %v, %v", token, c, err)
		}
	}
	for token, code := range map[string]string{`""`: "currency_mismatch", `"XAU"`: "currency_mismatch", `978`: "malformed_body"} {
		if c, err := field(t, token).Currency(); !c.IsZero() || money.Code(err) != code {
			t.Errorf("%s: %v, %v", token, c, err)
		}
	}
}

func TestValue_Times(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]string{
		`1795132800`: "2026-11-20T00:00:00Z", `1795132800.000`: "2026-11-20T00:00:00Z", `253402300799`: "9999-12-31T23:59:59Z",
	} {
		if at, err := field(t, token).UnixTime(); err != nil || at.Format(time.RFC3339Nano) != want || at.Location() != time.UTC {
			t.Errorf("%s: %s, %v", token, at, err)
		}
	}
	if at, err := field(t, `0`).UnixTime(); err != nil || !at.IsZero() {
		t.Errorf("0 means not yet: %s, %v", at, err)
	}
	for _, token := range []string{`-1`, `1795132800.5`, `1.795e9`, `1795132800000`, `253402300800`, `"1795132800"`, `99999999999999999999`} {
		if at, err := field(t, token).UnixTime(); err == nil || !at.IsZero() {
			t.Errorf("%s: %s, %v", token, at, err)
		}
	}
	for token, want := range map[string]string{
		`"2026-11-20T10:05:59.895Z"`:       "2026-11-20T10:05:59.895Z",
		`"2026-11-20T12:05:59+02:00"`:      "2026-11-20T10:05:59Z",
		`"2026-11-20T12:05:59.5+0200"`:     "2026-11-20T10:05:59.5Z",
		`" 2026-11-20T10:05:59Z "`:         "2026-11-20T10:05:59Z",
		`"2026-11-20T10:05:59.123456789Z"`: "2026-11-20T10:05:59.123456789Z",
	} {
		if at, err := field(t, token).Time(); err != nil || at.Format(time.RFC3339Nano) != want || at.Location() != time.UTC {
			t.Errorf("%s: %s, %v", token, at, err)
		}
	}
	for _, token := range []string{
		`"2026-11-20T10:05:59"`, `"2026-11-20"`, `"20.11.2026"`, `"2026-13-20T10:05:59Z"`, `"1969-12-31T23:59:59Z"`,
		`"9999-12-31T23:59:59-01:00"`, `"yesterday"`, `1795132800`,
	} {
		if at, err := field(t, token).Time(); err == nil || !at.IsZero() {
			t.Errorf("%s: %s, %v", token, at, err)
		}
	}
}
