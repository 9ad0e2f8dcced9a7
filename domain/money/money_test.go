package money_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/domain/money"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// drawCurrency draws one of the few whose amounts are widest often.
func drawCurrency(t *rapid.T) money.Currency {
	return rapid.OneOf(
		rapid.SampledFrom(money.Currencies()),
		rapid.SampledFrom([]money.Currency{money.MustCurrency("CLF"), money.MustCurrency("UYW")}),
	).Draw(t, "currency")
}

// drawMoney draws any amount that the ledger accepts; zero, the extremes, and what an int64 of minor units just holds or
// just does not, often.
func drawMoney(t *rapid.T, c money.Currency, label string) money.Money {
	limit := uint64(1)
	for range 15 + c.MinorUnits() {
		limit *= 10
	}
	units := rapid.OneOf(
		rapid.Just(uint64(0)),
		rapid.Uint64Range(0, 1000),
		rapid.Uint64Range(0, limit-1),
		rapid.Uint64Range(limit-3, limit-1),
		rapid.Uint64Range(min(limit, 1<<63)-3, min(limit-1, 1<<63+3)),
	).Draw(t, label)
	amount := decimal.NewFromBigInt(new(big.Int).SetUint64(units), -c.MinorUnits())
	if rapid.Bool().Draw(t, label+" is negative") {
		amount = amount.Neg()
	}
	m, err := money.New(amount, c)
	if err != nil {
		t.Fatalf("New(%s, %s): %v", amount, c, err)
	}
	return m
}

func must(t interface{ Fatal(...any) }) func(money.Money, error) money.Money {
	return func(m money.Money, err error) money.Money {
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	cases := []struct{ amount, currency, want, code string }{
		{"12.5", "EUR", "12.50", ""},
		{"12.500000000000000000000000", "EUR", "12.50", ""},
		{"12.505", "EUR", "", "scale_violation"},
		{"0.305", "EUR", "", "scale_violation"},
		{"0.305", "BHD", "0.305", ""},
		{"0.00001", "CLF", "", "scale_violation"},
		{"0.0001", "CLF", "0.0001", ""},
		{"1500.0", "JPY", "1500", ""},
		{"1500.5", "JPY", "", "scale_violation"},
		{"-7", "EUR", "-7.00", ""},
		{"-0.00", "EUR", "0.00", ""},
		{"0e30", "EUR", "0.00", ""},
		{"1e3", "EUR", "1000.00", ""},
		{"999999999999999.99", "EUR", "999999999999999.99", ""},
		{"999999999999999.9999", "UYW", "999999999999999.9999", ""},
		{"-999999999999999.9999", "UYW", "-999999999999999.9999", ""},
		{"1e15", "EUR", "", "scale_violation"},
		{"1000000000000000", "JPY", "", "scale_violation"},
	}
	for _, tc := range cases {
		m, err := money.New(decimal.RequireFromString(tc.amount), money.MustCurrency(tc.currency))
		if money.Code(err) != tc.code || (err == nil && m.String() != tc.want) {
			t.Errorf("New(%s, %s) = %s, %v", tc.amount, tc.currency, m, err)
		}
	}
}

// An exponent is judged before it is expanded: expanding one of these takes gigabytes.
func TestNew_HugeExponents(t *testing.T) {
	t.Parallel()
	for _, exponent := range []int32{2_000_000_000, -2_000_000_000, 1<<31 - 1, -1 << 31} {
		if _, err := money.New(decimal.New(1, exponent), money.MustCurrency("EUR")); money.Code(err) != "scale_violation" {
			t.Errorf("exponent %d: %v", exponent, err)
		}
	}
}

func TestNew_NeedsCurrency(t *testing.T) {
	t.Parallel()
	if _, err := money.New(decimal.Zero, money.Currency{}); !errors.Is(err, money.ErrUnknownCurrency) {
		t.Errorf("New without a currency: %v", err)
	}
}

// The oracle of arithmetic is the decimal library itself, on values that never share an exponent
// with Money's own.
func TestMoney_ArithmeticIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawCurrency(t)
		a, b := drawMoney(t, c, "a"), drawMoney(t, c, "b")
		sum, difference := must(t)(a.Add(b)), must(t)(a.Sub(b))
		if !sum.Amount().Equal(a.Amount().Add(b.Amount())) || !difference.Amount().Equal(a.Amount().Sub(b.Amount())) {
			t.Fatalf("%s ± %s = %s, %s", a, b, sum, difference)
		}
		if !must(t)(sum.Sub(b)).Equal(a) || !must(t)(b.Add(a)).Equal(sum) || !a.Neg().Neg().Equal(a) {
			t.Fatalf("laws of addition broken for %s, %s", a, b)
		}
		if twice := must(t)(sum.Add(sum)); !twice.Amount().Equal(sum.Amount().Mul(decimal.NewFromInt(2))) || !must(t)(twice.Sub(sum)).Equal(sum) {
			t.Fatalf("twice %s is %s", sum, twice)
		}
		if !must(t)(a.Add(a.Neg())).Equal(money.Zero(c)) {
			t.Fatalf("%s and its negative do not cancel", a)
		}
		order, err := a.Cmp(b)
		if err != nil || order != a.Amount().Cmp(b.Amount()) || (order == 0) != a.Equal(b) {
			t.Fatalf("Cmp(%s, %s) = %d, %v", a, b, order, err)
		}
		if low := must(t)(money.Min(a, b)); !low.Equal(a) && !low.Equal(b) || low.Amount().Cmp(a.Amount()) > 0 || low.Amount().Cmp(b.Amount()) > 0 {
			t.Fatalf("Min(%s, %s) = %s", a, b, low)
		}
		if floor := a.FloorZero(); floor.IsNegative() || (!a.IsNegative() && !floor.Equal(a)) {
			t.Fatalf("FloorZero(%s) = %s", a, floor)
		}
	})
}

func TestMoney_NoCurrencyIsNeutral(t *testing.T) {
	t.Parallel()
	var none money.Money
	eur := money.MustParse("5", "EUR")
	check := must(t)
	for what, got := range map[string]money.Money{
		"none + eur": check(none.Add(eur)),
		"eur + none": check(eur.Add(none)),
		"eur - none": check(eur.Sub(none)),
	} {
		if !got.Equal(eur) {
			t.Errorf("%s = %s", what, got.Format())
		}
	}
	if got := check(none.Sub(eur)); !got.Equal(eur.Neg()) {
		t.Errorf("none - eur = %s", got.Format())
	}
	if got := check(money.Min(none, eur)); !got.Equal(money.Zero(eur.Currency())) {
		t.Errorf("min(none, eur) = %s", got.Format())
	}
	if none.Equal(money.Zero(eur.Currency())) || !none.Equal(money.Money{}) {
		t.Error("no money must equal itself and nothing else")
	}
	if none.Format() != "0" || none.String() != "0" || eur.Format() != "5.00 EUR" {
		t.Errorf("%q %q %q", none.Format(), none.String(), eur.Format())
	}
}

func TestMoney_CurrenciesNeverMix(t *testing.T) {
	t.Parallel()
	eur, usd := money.MustParse("5", "EUR"), money.MustParse("0", "USD")
	_, addErr := eur.Add(usd)
	_, subErr := eur.Sub(usd)
	_, cmpErr := eur.Cmp(usd)
	_, minErr := money.Min(eur, usd)
	for _, err := range []error{addErr, subErr, cmpErr, minErr} {
		var mismatch *money.CurrencyMismatchError
		if !errors.As(err, &mismatch) || money.Code(fmt.Errorf("wrapped: %w", err)) != "currency_mismatch" {
			t.Errorf("got %v", err)
		}
	}
	if eur.SameCurrency(usd) || eur.Equal(money.MustParse("5", "USD")) {
		t.Error("EUR passes for USD")
	}
}

func TestMoney_StringIsTheCanonicalText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := drawMoney(t, drawCurrency(t), "amount")
		if want := m.Amount().StringFixed(m.Currency().MinorUnits()); m.String() != want {
			t.Fatalf("String() = %q, want %q", m.String(), want)
		}
		back, err := money.Parse(m.String(), m.Currency())
		if err != nil || !back.Equal(m) {
			t.Fatalf("Parse(%q) = %s, %v", m.String(), back, err)
		}
	})
	huge := money.MustParse("999999999999999.99", "EUR")
	if got := must(t)(huge.Add(huge)).String(); got != "1999999999999999.98" {
		t.Errorf("a total above the limit of one amount prints %q", got)
	}
}

func TestMoney_JSONRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawMoney(t, drawCurrency(t), "amount")
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var out money.Money
		if err := json.Unmarshal(text, &out); err != nil || !out.Equal(in) {
			t.Fatalf("%s decodes as %s, %v", text, out.Format(), err)
		}
	})
}

func TestMoney_JSONGolden(t *testing.T) {
	t.Parallel()
	text, err := json.MarshalIndent([]money.Money{
		{},
		money.MustParse("0", "EUR"),
		money.MustParse("12.5", "EUR"),
		money.MustParse("-0.07", "EUR"),
		money.MustParse("1500", "JPY"),
		money.MustParse("0.305", "BHD"),
		money.MustParse("999999999999999.9999", "UYW"),
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "money.json")
	if *update {
		if err := os.WriteFile(golden, append(text, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)+"\n"); diff != "" {
		t.Errorf("the storage format changed (-golden +now):\n%s", diff)
	}
}

func TestMoney_UnmarshalJSON(t *testing.T) {
	t.Parallel()
	cases := []struct{ text, want, code string }{
		{`{"amount":"12.50","currency":"EUR"}`, "12.50 EUR", ""},
		{` { "currency" : "EUR" , "note" : {"a":[1]} , "amount" : "12.5" } `, "12.50 EUR", ""},
		{`{"amount":"1\u0032.50","currency":"EUR"}`, "12.50 EUR", ""},
		{`{"amount":"-3","currency":"EUR"}`, "-3.00 EUR", ""},
		{`null`, "0", ""},
		{`{"amount":"12.505","currency":"EUR"}`, "", "scale_violation"},
		{`{"amount":"12.505"  ,"currency":"EUR"}`, "", "scale_violation"},
		{`{"amount":12.50,"currency":"EUR"}`, "", "amount_malformed"},
		{`{"amount":null,"currency":"EUR"}`, "", "amount_malformed"},
		{`{"currency":"EUR"}`, "", "amount_malformed"},
		{`{"amount":"1"}`, "", "amount_malformed"},
		{`{}`, "", "amount_malformed"},
		{`"12.50 EUR"`, "", "amount_malformed"},
		{`12.50`, "", "amount_malformed"},
		{`[]`, "", "amount_malformed"},
		{`{"amount":"","currency":"EUR"}`, "", "amount_malformed"},
		{`{"amount":"1e3","currency":"EUR"}`, "", "amount_malformed"},
		{`{"amount":"1","currency":"XXX"}`, "", "currency_mismatch"},
		{`{"amount":"1","currency":""}`, "", "currency_mismatch"},
	}
	for _, tc := range cases {
		m := money.MustParse("77", "USD")
		err := json.Unmarshal([]byte(tc.text), &m)
		if money.Code(err) != tc.code || (err == nil && m.Format() != tc.want) {
			t.Errorf("%s = %s, %v; want %q %q", tc.text, m.Format(), err, tc.want, tc.code)
		}
		if err != nil && m.Format() != "77.00 USD" {
			t.Errorf("%s changed the target to %s", tc.text, m.Format())
		}
	}
}

func TestAllocate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total := drawMoney(t, drawCurrency(t), "total")
		weights := rapid.SliceOfN(rapid.Int64Range(0, 1_000_000), 1, 12).Draw(t, "weights")
		parts, err := money.Allocate(total, weights)
		if err != nil {
			for _, weight := range weights {
				if weight != 0 {
					t.Fatalf("%s by %v: %v", total, weights, err)
				}
			}
			return
		}
		sum, weightSum := money.Money{}, decimal.Zero
		for i, part := range parts {
			sum = must(t)(sum.Add(part))
			weightSum = weightSum.Add(decimal.NewFromInt(weights[i]))
		}
		if !sum.Equal(total) {
			t.Fatalf("parts %v of %s sum to %s", parts, total, sum)
		}
		unit := decimal.New(1, -total.Currency().MinorUnits())
		for i, part := range parts {
			// |part*weightSum - total*weight| < one minor unit * weightSum, without dividing.
			off := part.Amount().Mul(weightSum).Sub(total.Amount().Mul(decimal.NewFromInt(weights[i]))).Abs()
			if off.GreaterThanOrEqual(unit.Mul(weightSum)) || (weights[i] == 0 && !part.IsZero()) {
				t.Fatalf("part %d of %s by %v is %s", i, total, weights, part)
			}
		}
	})
}

func TestAllocate_LargestRemainderFirst(t *testing.T) {
	t.Parallel()
	parts, err := money.Allocate(money.MustParse("0.10", "EUR"), []int64{1, 0, 3, 2})
	if got := fmt.Sprint(parts); err != nil || got != "[0.02 0.00 0.05 0.03]" {
		t.Errorf("got %s, %v", got, err)
	}
	parts, err = money.Split(money.MustParse("-100", "JPY"), 3)
	if got := fmt.Sprint(parts); err != nil || got != "[-34 -33 -33]" {
		t.Errorf("got %s, %v", got, err)
	}
	for _, weights := range [][]int64{nil, {}, {0, 0}, {1, -1}} {
		if _, err := money.Allocate(money.MustParse("1", "EUR"), weights); !errors.Is(err, money.ErrInvalidWeights) {
			t.Errorf("weights %v: %v", weights, err)
		}
	}
	if _, err := money.Split(money.MustParse("1", "EUR"), 0); !errors.Is(err, money.ErrInvalidWeights) {
		t.Errorf("split into none: %v", err)
	}
}

func BenchmarkMoney_Add(b *testing.B) {
	b.ReportAllocs()
	x, y := money.MustParse("96.56", "EUR"), money.MustParse("10", "EUR")
	for b.Loop() {
		_, _ = x.Add(y)
	}
}

func BenchmarkMoney_UnmarshalJSON(b *testing.B) {
	b.ReportAllocs()
	text := []byte(`{"amount":"96.56","currency":"EUR"}`)
	for b.Loop() {
		var m money.Money
		if err := m.UnmarshalJSON(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMoney_MarshalJSON(b *testing.B) {
	b.ReportAllocs()
	m := money.MustParse("96.56", "EUR")
	for b.Loop() {
		_, _ = m.MarshalJSON()
	}
}
