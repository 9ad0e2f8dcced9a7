package storable_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
)

func TestText_HoldsWhatPostgresHolds(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":               "",
		"Ünï 😀":          "Ünï 😀",
		"a\x00b":         "a\uFFFDb",
		"a\xffb":         "a\uFFFDb",
		"\x00\xff\x00ok": "\uFFFD\uFFFD\uFFFDok",
	} {
		if got := storable.Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestJSON_KeepsOrWraps(t *testing.T) {
	t.Parallel()
	for _, kept := range []string{
		`{}`, `null`, `{"a":"\\u0000"}`, `{"a":"\u00e9"}`, `{"a":"\ud83d\ude00"}`, `{"a":"\\\\"}`, `"\""`,
	} {
		if got := string(storable.JSON([]byte(kept), false)); got != kept {
			t.Errorf("%s became %s", kept, got)
		}
	}
	for _, wrapped := range []string{
		`{`, "\x00", `{"a":"\u0000"}`, `{"a":"\\\u0000"}`, `{"a":"\ud83d"}`, `{"a":"\ude00\ud83d"}`, `{"a":"\ud83dx"}`,
		"{\"a\":\"\xff\"}", `<xml/>`,
	} {
		var object map[string]string
		if err := json.Unmarshal(storable.JSON([]byte(wrapped), false), &object); err != nil {
			t.Errorf("%q: %v", wrapped, err)
		}
		raw, err := base64.StdEncoding.DecodeString(object[storable.UnreadableKey])
		if err != nil || string(raw) != wrapped {
			t.Errorf("%q came back as %q, %v", wrapped, raw, err)
		}
	}
	if got := string(storable.JSON(nil, false)); got != "{}" {
		t.Errorf("nothing became %s", got)
	}
}

// FuzzJSON: whatever comes in, what goes to jsonb is valid JSON in UTF-8 without U+0000 and half
// surrogates.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a":"\u0000"}`, `{"a":"\ud83d\ude00"}`, `"\\u0000"`, `{`, "\xff", `"\ud800"`, `[1e9]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := storable.JSON(raw, false)
		if !json.Valid(got) || !utf8.Valid(got) {
			t.Fatalf("%q is no JSON", got)
		}
		var value any
		if err := json.Unmarshal(got, &value); err != nil {
			return // too deep for Go, which is for the fold to say
		}
		again, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ReplaceAll(string(again), `\\`, ""), `\u0000`) {
			t.Fatalf("%q contains U+0000", got)
		}
	})
}

func TestAmount_RoundTrip(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, currency string }{
		{"12.50", "EUR"}, {"0.00", "EUR"}, {"1500", "JPY"}, {"0.001", "BHD"}, {"999999999999999.99", "EUR"},
	} {
		m, err := money.Parse(c.text, money.MustCurrency(c.currency))
		if err != nil {
			t.Fatal(err)
		}
		for _, signed := range []money.Money{m, m.Neg()} {
			text := storable.Amount(signed, signed.Currency())
			back, err := storable.ReadAmount(text, c.currency)
			if err != nil || !back.Equal(signed) {
				t.Errorf("%s became %q and %s: %v", signed.Format(), text, back.Format(), err)
			}
		}
	}
	if got := storable.Amount(money.Money{}, money.MustCurrency("BHD")); got != "0.000" {
		t.Errorf("nothing in BHD is %q", got)
	}
	if got := storable.KnownAmount(money.Money{}, money.MustCurrency("EUR"), false); got != "" {
		t.Errorf("an unknown amount is %q", got)
	}
	for _, bad := range []string{"NaN", "", "1.005"} {
		if m, err := storable.ReadAmount(bad, "EUR"); err == nil {
			t.Errorf("%q was read as %s", bad, m.Format())
		}
	}
}
