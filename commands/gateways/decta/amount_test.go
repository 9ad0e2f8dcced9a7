package decta_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// TestTranslate_Amounts shows which amounts are counted, in each place where
// one may stand.
func TestTranslate_Amounts(t *testing.T) {
	t.Parallel()
	places := map[string]string{
		"Total":          `"total":%s,"status":"paid"`,
		"PayoutAmount":   `"type":"payout","amount":%s,"status":"paid"`,
		"Refunded":       `"status":"refunded","amount_refunded":%s`,
		"RefundedBelow":  `"status":"refunded","transaction_details":{"amount_refunded":%s}`,
		"RefundInitial":  `"status":"refund_initiated","amount_refund_initial":%s`,
		"RefundReversal": `"status":"refund_reversed","amount_refund_reversal":%s`,
		"Reversed":       `"status":"reversed","transaction_details":{"amount_reversed":%s}`,
	}
	disputes := map[string]string{
		"Chargebacks":         `"status":"chargeback","transaction_details":{"chargebacks":%s}`,
		"ChargebacksReversed": `"status":"chargeback","transaction_details":{"chargebacks_reversed":%s}`,
		"ChargebackList":      `"status":"chargeback","transaction_details":{"chargebacks":[%s]}`,
	}
	for _, tc := range []struct {
		name, amount, currency string
		want                   string     // canonical text; empty when it cannot be counted
		code                   order.Flag // why
		loose                  bool       // a counter of disputes forgives it
	}{
		{name: "Number", amount: `96.56`, currency: `"EUR"`, want: "96.56 EUR"},
		{name: "Text", amount: `"96.56"`, currency: `"EUR"`, want: "96.56 EUR"},
		{name: "TrailingZeros", amount: `96.5600`, currency: `"EUR"`, want: "96.56 EUR"},
		{name: "Zero", amount: `0.0`, currency: `"EUR"`, want: "0.00 EUR"},
		{name: "NoMinorUnits", amount: `1500.0`, currency: `"JPY"`, want: "1500 JPY"},
		{name: "ThreeMinorUnits", amount: `0.305`, currency: `"BHD"`, want: "0.305 BHD"},
		{name: "LowerCaseCurrency", amount: `1`, currency: `" eur "`, want: "1.00 EUR"},
		{name: "TooManyDigits", amount: `0.305`, currency: `"EUR"`, code: order.FlagScaleViolation},
		{name: "FractionOfYen", amount: `1500.5`, currency: `"JPY"`, code: order.FlagScaleViolation},
		{name: "TooLarge", amount: `1000000000000000`, currency: `"EUR"`, code: order.FlagScaleViolation},
		{name: "Exponent", amount: `1e2`, currency: `"EUR"`, code: order.FlagAmountMalformed},
		{name: "HugeExponent", amount: `1e2147483647`, currency: `"EUR"`, code: order.FlagAmountMalformed},
		{name: "ExponentInText", amount: `"1E2"`, currency: `"EUR"`, code: order.FlagAmountMalformed},
		{name: "Negative", amount: `-1.00`, currency: `"EUR"`, code: order.FlagNegativeAmount},
		{name: "NegativeZero", amount: `-0.0`, currency: `"EUR"`, code: order.FlagNegativeAmount},
		{name: "NaN", amount: `"NaN"`, currency: `"EUR"`, code: order.FlagAmountMalformed},
		{name: "Comma", amount: `"12,50"`, currency: `"EUR"`, code: order.FlagAmountMalformed},
		{name: "Plus", amount: `"+1"`, currency: `"EUR"`, code: order.FlagAmountMalformed},
		{name: "Blank", amount: `" 1"`, currency: `"EUR"`, code: order.FlagAmountMalformed},
		{name: "Flag", amount: `true`, currency: `"EUR"`, code: order.FlagAmountMalformed, loose: true},
		{name: "Object", amount: `{}`, currency: `"EUR"`, code: order.FlagAmountMalformed, loose: true},
		{name: "EmptyText", amount: `""`, currency: `"EUR"`, code: order.FlagAmountMalformed, loose: true},
		{name: "NoCurrency", amount: `1`, currency: `null`, code: order.FlagCurrencyMismatch},
		{name: "UnknownCurrency", amount: `1`, currency: `"XYZ"`, code: order.FlagCurrencyMismatch},
		{name: "CurrencyIsNumber", amount: `1`, currency: `978`, code: order.FlagCurrencyMismatch},
	} {
		check := func(place, members string) {
			t.Run(tc.name+"/"+place, func(t *testing.T) {
				t.Parallel()
				got := translate(fmt.Sprintf(`{"id":"o","modified":1795140012,"currency":%s,`+members+`}`, tc.currency, tc.amount))
				if got.Rejection != nil || got.SourceOrderID != "o" {
					t.Fatalf("rejection %+v, order %q; want the order to be known", got.Rejection, got.SourceOrderID)
				}
				if tc.code != "" {
					wantUncountable(t, got.Uncountable, tc.code)
					if len(got.Facts) > 0 || got.Registration.AmountDue != nil || !got.Registration.Currency.IsZero() {
						t.Errorf("facts %+v, registration %+v; want nothing counted", got.Facts, got.Registration)
					}
					return
				}
				amount := amountAt(place, got)
				if got.Uncountable != nil || amount == nil || amount.Format() != tc.want {
					t.Errorf("amount %v, uncountable %+v; want %s", amount, got.Uncountable, tc.want)
				}
			})
		}
		for place, members := range places {
			check(place, members)
		}
		if tc.loose {
			continue
		}
		for place, members := range disputes {
			check(place, members)
		}
	}
}

// amountAt finds the amount of a place among the facts.
func amountAt(place string, tr commands.Translation) *money.Money {
	for _, f := range tr.Facts {
		switch f := f.(type) {
		case order.Totals:
			switch place {
			case "Total":
				return &f.Total
			case "Reversed":
				return f.TakenBack
			}
		case order.PayoutReported:
			return f.Amount
		case order.RefundTotals:
			switch place {
			case "RefundInitial":
				return f.Pending
			case "RefundReversal":
				return f.RefundReversed
			default:
				return f.Refunded
			}
		case order.DisputeTotals:
			if place == "ChargebacksReversed" {
				return f.Returned
			}
			return f.Withdrawn
		}
	}
	return nil
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

// TestTranslate_DisputeCounters: the counters of disputes have no certain
// shape.
func TestTranslate_DisputeCounters(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		value, want string
		code        order.Flag
	}{
		{value: `86.56`, want: "86.56"},
		{value: `"86.56"`, want: "86.56"},
		{value: `null`},
		{value: `""`},
		{value: `[]`},
		{value: `[50, "36.56"]`, want: "86.56"},
		{value: `[{"amount":50.00,"currency":"EUR","on":1},{"amount":36.56},{"on":2},null]`, want: "86.56"},
		{value: `{"amount":86.56}`, want: "86.56"},
		{value: `[{"amount":50.00,"currency":"USD"}]`, code: order.FlagCurrencyMismatch},
		{value: `[999999999999999.99, 999999999999999.99]`, code: order.FlagScaleViolation},
		{value: `[50, -1]`, code: order.FlagNegativeAmount},
		{value: `[50, "x"]`, code: order.FlagAmountMalformed},
	} {
		t.Run(tc.value, func(t *testing.T) {
			t.Parallel()
			got := translate(`{"id":"o","currency":"EUR","total":96.56,"status":"chargeback","transaction_details":{"chargebacks":` + tc.value + `}}`)
			if tc.code != "" {
				wantUncountable(t, got.Uncountable, tc.code)
				return
			}
			if got.Uncountable != nil {
				t.Fatalf("uncountable %+v", got.Uncountable)
			}
			var counted string
			if withdrawn := gatewaytest.OfKind[order.DisputeTotals](got.Facts)[0].Withdrawn; withdrawn != nil {
				counted = withdrawn.String()
			}
			if counted != tc.want {
				t.Errorf("withdrawn %q, want %q", counted, tc.want)
			}
		})
	}
}

// TestTranslate_CountersInTwoPlaces: the greater one counts, whichever lags
// behind.
func TestTranslate_CountersInTwoPlaces(t *testing.T) {
	t.Parallel()
	for members, want := range map[string]string{
		`"amount_refunded":10,"transaction_details":{"amount_refunded":0.0}`:  "10.00",
		`"amount_refunded":0.0,"transaction_details":{"amount_refunded":10}`:  "10.00",
		`"amount_refunded":null,"transaction_details":{"amount_refunded":10}`: "10.00",
		`"amount_refunded":10,"transaction_details":null`:                     "10.00",
	} {
		got := gatewaytest.OfKind[order.RefundTotals](facts(t, `{"id":"o","currency":"EUR","status":"refunded",`+members+`}`))
		if len(got) != 1 || got[0].Refunded.String() != want {
			t.Errorf("%s: %+v, want %s", members, got, want)
		}
	}
}

// TestTranslate_ReasonCodes: a dispute's reason keeps its digits and names its
// scheme.
func TestTranslate_ReasonCodes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ scheme, code, want string }{
		{"visa", `10.4`, "visa:10.4"}, {"VISA", `13.10`, "visa:13.10"}, {"visa", `"13.1"`, "visa:13.1"},
		{"mastercard", `4853`, "mc:4853"}, {"Master Card", `4837`, "mc:4837"}, {"maestro", `4853`, "mc:4853"},
		{"amex", `"C08"`, "amex:C08"}, {"American Express", `"C08"`, "amex:C08"}, {"discover", `"UA02"`, "disc:UA02"},
		{"", `10.4`, "source:10.4"}, {"union pay", `4508`, "source:4508"},
		{"visa", `null`, ""}, {"visa", `0`, ""}, {"visa", `0.0`, ""}, {"visa", `""`, ""}, {"visa", `{}`, ""},
		{"visa", `"the buyer, Ada, says no"`, ""}, {"visa", `1e5`, "visa:1e5"},
	} {
		t.Run(tc.scheme+tc.code, func(t *testing.T) {
			t.Parallel()
			got := gatewaytest.OfKind[order.DisputeStage](facts(t, fmt.Sprintf(`{"id":"o","status":"chargeback","transaction_details":
				{"payment_system":%q,"chargebacks_reason_code":%s,"arn":"74537606324000000012345"}}`, tc.scheme, tc.code)))
			if len(got) != 1 || got[0].ReasonCode != tc.want || got[0].ARN != "74537606324000000012345" {
				t.Errorf("got %+v, want reason %q", got, tc.want)
			}
		})
	}
}
