package money_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/domain/money"
)

func TestCurrency_MinorUnits(t *testing.T) {
	t.Parallel()
	exceptions := map[string]int32{}
	for minorUnits, codes := range map[int32]string{
		0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
		3: "BHD IQD JOD KWD LYD OMR TND",
		4: "CLF UYW",
	} {
		for code := range strings.FieldsSeq(codes) {
			exceptions[code] = minorUnits
			if _, err := money.ParseCurrency(code); err != nil {
				t.Errorf("%s: %v", code, err)
			}
		}
	}
	for _, c := range money.Currencies() {
		want, exceptional := exceptions[c.Code()]
		if !exceptional {
			want = 2
		}
		if c.MinorUnits() != want {
			t.Errorf("%s has %d minor units, want %d", c, c.MinorUnits(), want)
		}
	}
}

func TestCurrencies_AreSortedAndFoundByCode(t *testing.T) {
	t.Parallel()
	all := money.Currencies()
	if !slices.IsSortedFunc(all, func(a, b money.Currency) int { return strings.Compare(a.Code(), b.Code()) }) {
		t.Error("not sorted")
	}
	for _, c := range all {
		found, err := money.ParseCurrency(c.Code())
		if err != nil || !found.Equal(c) {
			t.Errorf("ParseCurrency(%s) = %s, %v", c, found, err)
		}
	}
	for _, code := range strings.Fields("EUR USD GBP CHF CZK NOK PLN SEK RUB RON HUF DKK TRY UAH XCG ZWG") {
		if _, err := money.ParseCurrency(code); err != nil {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestParseCurrency_Rejects(t *testing.T) {
	t.Parallel()
	for _, code := range []string{
		"", "EU", "EURO", "eur", "Eur", " EUR", "EUR ", "ZZZ", "€", "978", "E\x00R",
		"XAU", "XAG", "XPT", "XPD", "XDR", "XUA", "XSU", "XBA", "XBB", "XBC", "XBD", "XTS", "XXX", "HRK", "DEM",
	} {
		if c, err := money.ParseCurrency(code); !errors.Is(err, money.ErrUnknownCurrency) || !c.IsZero() {
			t.Errorf("ParseCurrency(%q) = %q, %v", code, c, err)
		}
	}
}

func TestCurrency_JSON(t *testing.T) {
	t.Parallel()
	type row struct {
		Currency money.Currency            `json:"currency"`
		Rates    map[money.Currency]string `json:"rates"`
	}
	in := row{money.MustCurrency("EUR"), map[money.Currency]string{money.MustCurrency("JPY"): "x"}}
	text, err := json.Marshal(in)
	if err != nil || string(text) != `{"currency":"EUR","rates":{"JPY":"x"}}` {
		t.Fatalf("%s, %v", text, err)
	}
	var out row
	if err := json.Unmarshal(text, &out); err != nil || out.Currency != in.Currency || out.Rates[money.MustCurrency("JPY")] != "x" {
		t.Fatalf("%+v, %v", out, err)
	}
	for _, bad := range []string{`{"currency":"eur"}`, `{"currency":"XAU"}`, `{"currency":5}`} {
		if err := json.Unmarshal([]byte(bad), &row{}); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}
