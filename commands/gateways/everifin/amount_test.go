package everifin_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/domain/order"
)

// TestTranslate_Amounts shows which amounts are counted, in each place where one may stand.
func TestTranslate_Amounts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, amount, currency string
		want                   string // canonical text; empty when it cannot be counted
		code                   order.Flag
	}{
		{"Number", `120.99`, `"EUR"`, "120.99 EUR", ""},
		{"Text", `"120.99"`, `"EUR"`, "120.99 EUR", ""},
		{"TrailingZeros", `120.9900`, `"EUR"`, "120.99 EUR", ""},
		{"Zero", `0.00`, `"EUR"`, "0.00 EUR", ""},
		{"Greatest", `9999999999`, `"EUR"`, "9999999999.00 EUR", ""},
		{"NoMinorUnits", `1500.0`, `"JPY"`, "1500 JPY", ""},
		{"LowerCaseCurrency", `1`, `" eur "`, "1.00 EUR", ""},
		{"ThreeMinorUnits", `0.305`, `"BHD"`, "0.305 BHD", ""},
		{"TooManyDigits", `0.305`, `"EUR"`, "", order.FlagScaleViolation},
		{"FractionOfYen", `1500.5`, `"JPY"`, "", order.FlagScaleViolation},
		{"TooLarge", `1000000000000000`, `"EUR"`, "", order.FlagScaleViolation},
		{"Exponent", `1e2`, `"EUR"`, "", order.FlagAmountMalformed},
		{"HugeExponent", `1e2147483647`, `"EUR"`, "", order.FlagAmountMalformed},
		{"ExponentInText", `"1E2"`, `"EUR"`, "", order.FlagAmountMalformed},
		{"Negative", `-1.00`, `"EUR"`, "", order.FlagNegativeAmount},
		{"NegativeZero", `-0.00`, `"EUR"`, "", order.FlagNegativeAmount},
		{"NaN", `"NaN"`, `"EUR"`, "", order.FlagAmountMalformed},
		{"Infinity", `"Infinity"`, `"EUR"`, "", order.FlagAmountMalformed},
		{"Comma", `"12,50"`, `"EUR"`, "", order.FlagAmountMalformed},
		{"Plus", `"+1"`, `"EUR"`, "", order.FlagAmountMalformed},
		{"Blank", `" 1"`, `"EUR"`, "", order.FlagAmountMalformed},
		{"EmptyText", `""`, `"EUR"`, "", order.FlagAmountMalformed},
		{"Object", `{}`, `"EUR"`, "", order.FlagAmountMalformed},
		{"True", `true`, `"EUR"`, "", order.FlagAmountMalformed},
		{"NoCurrency", `1`, `null`, "", order.FlagCurrencyMismatch},
		{"UnknownCurrency", `1`, `"XYZ"`, "", order.FlagCurrencyMismatch},
		{"NoMoney", `1`, `"XAU"`, "", order.FlagCurrencyMismatch},
		{"CurrencyIsNumber", `1`, `978`, "", order.FlagCurrencyMismatch},
	} {
		money := fmt.Sprintf(`"amount":%s,"currency":%s`, tc.amount, tc.currency)
		for place, body := range map[string]string{
			"Order":          `{"data":{"id":"o","status":"UNPAID",` + money + `}}`,
			"Payment":        `{"data":{"id":"p","orderId":"o","status":"CREATED",` + money + `}}`,
			"Refund":         `{"data":{"refundId":"r","orderId":"o","status":"BOOKED",` + money + `}}`,
			"PaymentOfOrder": `{"data":{"id":"o","status":"UNPAID","payments":[{"id":"p","status":"CREATED",` + money + `}]}}`,
			"RefundOfOrder":  `{"data":{"id":"o","status":"PAID","refunds":[{"id":"r","status":"BOOKED",` + money + `}]}}`,
		} {
			t.Run(tc.name+"/"+place, func(t *testing.T) {
				t.Parallel()
				got := translate(body)
				if got.Rejection != nil || got.SourceOrderID != "o" {
					t.Fatalf("rejection %+v, order %q; want the order to be known", got.Rejection, got.SourceOrderID)
				}
				if tc.want == "" {
					wantUncountable(t, got.Uncountable, tc.code)
					if len(got.Facts) > 0 || got.Registration.AmountDue != nil || !got.Registration.Currency.IsZero() {
						t.Errorf("facts %+v, registration %+v; want nothing counted", got.Facts, got.Registration)
					}
					return
				}
				amount := got.Registration.AmountDue
				for _, f := range got.Facts {
					switch f := f.(type) {
					case order.PaymentSeen:
						amount = f.Amount
					case order.RefundReported:
						amount = f.Amount
					}
				}
				if got.Uncountable != nil || amount == nil || amount.Format() != tc.want {
					t.Errorf("amount %v, uncountable %+v; want %s", amount, got.Uncountable, tc.want)
				}
			})
		}
	}
}

func wantUncountable(t *testing.T, got *order.Anomaly, code order.Flag) {
	t.Helper()
	if got == nil || got.Code != code || got.Detail == "" {
		t.Fatalf("uncountable %+v, want %s", got, code)
	}
	if !strings.Contains(got.Detail, "member ") {
		t.Errorf("detail %q does not name the member", got.Detail)
	}
}

func TestTranslate_CurrencyOfParts(t *testing.T) {
	t.Parallel()
	t.Run("LeftToTheOrder", func(t *testing.T) {
		t.Parallel()
		got := facts(t, `{"data":{"id":"o","status":"PAID","amount":5,"currency":"EUR","payments":[{"id":"p","status":"BOOKED","amount":5}]}}`)
		if captured := got[1].(order.Captured); captured.Amount.Format() != "5.00 EUR" {
			t.Errorf("captured %s, want 5.00 EUR", captured.Amount.Format())
		}
	})
	t.Run("TwoInOneBody", func(t *testing.T) {
		t.Parallel()
		got := translate(`{"data":{"id":"o","status":"PAID","amount":5,"currency":"EUR","payments":[{"id":"p","status":"BOOKED","amount":5,"currency":"CZK"}]}}`)
		wantUncountable(t, got.Uncountable, order.FlagCurrencyMismatch)
	})
	t.Run("SumsAreNotCounted", func(t *testing.T) {
		t.Parallel()
		got := translate(`{"data":{"id":"o","status":"PAID","amount":5,"currency":"EUR","sumOfPaid":-1e9,"sumOfRefunded":"x"}}`)
		if got.Uncountable != nil || got.Registration.AmountDue.Format() != "5.00 EUR" {
			t.Errorf("uncountable %+v, due %v", got.Uncountable, got.Registration.AmountDue)
		}
	})
	t.Run("ProcessablePaymentAsksForAnUnpaidOrder", func(t *testing.T) {
		t.Parallel()
		for status, want := range map[string]string{"UNPAID": "5.00 EUR", "PARTIALLY_PAID": "", "PAID": ""} {
			got := facts(t, `{"data":{"id":"o","status":"`+status+`","amount":5,"currency":"EUR","processablePaymentId":"p"}}`)
			seen := got[0].(order.PaymentSeen)
			switch {
			case want == "" && seen.Amount != nil:
				t.Errorf("%s: the payment asks for %s, want not told", status, seen.Amount.Format())
			case want != "" && (seen.Amount == nil || seen.Amount.Format() != want || seen.Version != (order.Version{})):
				t.Errorf("%s: %+v, want %s of the oldest version", status, seen, want)
			}
		}
	})
}
