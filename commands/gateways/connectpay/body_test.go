package connectpay_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/connectpay"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
	"github.com/order-ledger/order-ledger/domain/order"
)

func TestTranslate_Amounts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, instructed string
		want             string // canonical text; empty when it cannot be counted
		code             order.Flag
	}{
		{"Text", `{"amount":"1.23","currency":"EUR"}`, "1.23 EUR", ""},
		{"Number", `{"amount":1.23,"currency":"EUR"}`, "1.23 EUR", ""},
		{"Zero", `{"amount":"0.00","currency":"EUR"}`, "0.00 EUR", ""},
		{"Yen", `{"amount":"1500","currency":"JPY"}`, "1500 JPY", ""},
		{"TooManyDigits", `{"amount":"1.234","currency":"EUR"}`, "", order.FlagScaleViolation},
		{"TooLarge", `{"amount":"1000000000000000","currency":"EUR"}`, "", order.FlagScaleViolation},
		{"Exponent", `{"amount":"1e2","currency":"EUR"}`, "", order.FlagAmountMalformed},
		{"ExponentNumber", `{"amount":1e2,"currency":"EUR"}`, "", order.FlagAmountMalformed},
		{"Negative", `{"amount":"-1.00","currency":"EUR"}`, "", order.FlagNegativeAmount},
		{"NaN", `{"amount":"NaN","currency":"EUR"}`, "", order.FlagAmountMalformed},
		{"Comma", `{"amount":"1,23","currency":"EUR"}`, "", order.FlagAmountMalformed},
		{"Blank", `{"amount":" 1.23","currency":"EUR"}`, "", order.FlagAmountMalformed},
		{"Empty", `{"amount":"","currency":"EUR"}`, "", order.FlagAmountMalformed},
		{"NoCurrency", `{"amount":"1.23"}`, "", order.FlagCurrencyMismatch},
		{"UnknownCurrency", `{"amount":"1.23","currency":"EURO"}`, "", order.FlagCurrencyMismatch},
		{"CurrencyIsNumber", `{"amount":"1.23","currency":978}`, "", order.FlagCurrencyMismatch},
		{"NoObject", `"1.23"`, "", order.FlagAmountMalformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := translate(`{"payment":{"paymentId":"p","instructedAmount":` + tc.instructed + `},"status":{"code":"Approved"}}`)
			if got.Rejection != nil {
				t.Fatalf("rejected: %+v", got.Rejection)
			}
			if tc.want == "" {
				if got.Uncountable == nil || got.Uncountable.Code != tc.code || !strings.Contains(got.Uncountable.Detail, "payment.instructedAmount") {
					t.Fatalf("uncountable %+v, want %s that names the member", got.Uncountable, tc.code)
				}
				if len(got.Facts) > 0 || !got.Registration.Currency.IsZero() {
					t.Errorf("facts %+v, currency %s; want nothing counted", got.Facts, got.Registration.Currency)
				}
				return
			}
			seen, captured := got.Facts[0].(order.PaymentSeen), got.Facts[2].(order.Captured)
			if got.Uncountable != nil || seen.Amount.Format() != tc.want || captured.Amount.Format() != tc.want {
				t.Errorf("asked %v, captured %v, uncountable %+v; want %s", seen.Amount, captured.Amount, got.Uncountable, tc.want)
			}
		})
	}
	for _, untold := range []string{`null`, `{}`, `{"amount":null,"currency":"EUR"}`} {
		got := facts(t, `{"payment":{"paymentId":"p","instructedAmount":`+untold+`},"status":{"code":"Approved"}}`)
		if seen, captured := got[0].(order.PaymentSeen), got[2].(order.Captured); seen.Amount != nil || captured.Amount != nil {
			t.Errorf("instructedAmount %s: asked %v, captured %v; want not told", untold, seen.Amount, captured.Amount)
		}
	}
}

func TestTranslate_WithoutStatus(t *testing.T) {
	t.Parallel()
	t.Run("InitiationAnswer", func(t *testing.T) {
		t.Parallel()
		got := facts(t, `{"payment":{"paymentId":"p","redirectUrl":"https://pay.example?key=x"}}`)
		if _, ok := got[0].(order.PaymentSeen); !ok || len(got) != 1 {
			t.Errorf("facts %+v, want that the payment is there", got)
		}
	})
	for name, body := range map[string]string{
		"RefundRequest": `{"payment":{"paymentId":"p","instructedAmount":{"amount":"10.00","currency":"EUR"}}}`,
		"BlankCode":     `{"payment":{"paymentId":"p"},"status":{"code":" "}}`,
		"NullStatus":    `{"payment":{"paymentId":"p"},"status":null}`,
		"CodeIsObject":  `{"payment":{"paymentId":"p"},"status":{"code":{}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := facts(t, body)
			seen := got[0].(order.PaymentSeen)
			if seen.Amount != nil {
				t.Errorf("the payment asks for %s, want not told: it may be a refund's amount", seen.Amount.Format())
			}
			if flagged, ok := got[1].(order.Anomaly); !ok || flagged.Code != order.FlagMalformedBody {
				t.Errorf("facts %+v, want malformed_body", got)
			}
		})
	}
	t.Run("StatusAsText", func(t *testing.T) {
		t.Parallel()
		got := facts(t, `{"payment":{"paymentId":"p"},"status":"Approved"}`)
		if _, ok := got[2].(order.Captured); !ok {
			t.Errorf("facts %+v, want a capture", got)
		}
	})
}

func TestTranslate_Rejects(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body string
		code       order.Flag
		detail     string
	}{
		{"NotJSON", `OK`, order.FlagMalformedBody, "malformed JSON"},
		{"NotAnObject", `"x"`, order.FlagMalformedBody, "a string, want an object"},
		{"NoNames", `{"payment":{"instructedAmount":{"amount":"1","currency":"EUR"}},"status":{"code":"Approved"}}`, order.FlagUnknownOrder, "no payment.paymentId"},
		{"Empty", `{}`, order.FlagUnknownOrder, "no payment.paymentId"},
		{"IDIsList", `{"payment":{"paymentId":["p"]},"status":{"code":"Approved"}}`, order.FlagMalformedBody, "member payment.paymentId is an array"},
		{"IDTooLong", `{"payment":{"paymentId":"` + strings.Repeat("x", 256) + `"}}`, order.FlagMalformedBody, "255 bytes"},
		{"ReferenceIsObject", `{"merchant":{"generic1":{}},"payment":{"paymentId":"p"}}`, order.FlagMalformedBody, "merchant.generic1"},
		{"PlatformWebhook", `{"eventType":"OutgoingPayment.Completed","data":{"paymentId":"x"}}`, order.FlagUnknownOrder, "platform webhook OutgoingPayment.Completed"},
		{"PlatformWebhookWithPayment", `{"type":"outgoingpayment.created","payment":{"paymentId":"x"}}`, order.FlagUnknownOrder, "platform webhook"},
		{"PlatformWebhookOfOtherKind", `{"event":"Account.Opened","accountId":"x"}`, order.FlagUnknownOrder, "platform webhook Account.Opened"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := translate(tc.body)
			if got.Rejection == nil || got.Rejection.Code != tc.code || !strings.Contains(got.Rejection.Detail, tc.detail) {
				t.Fatalf("rejection %+v, want %s with %q", got.Rejection, tc.code, tc.detail)
			}
			if len(got.Facts) > 0 {
				t.Errorf("a rejected body has facts: %+v", got.Facts)
			}
		})
	}
}

const (
	visa = "4111111111111111"
	// The digits of this account number pass for a card number.
	cardLikeIBAN = "LT00" + visa
)

func TestTranslate_CardNumbers(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"paymentId", "generic1", "merchantReference", "endToEndId", "creditorReference"} {
		t.Run("In_"+path, func(t *testing.T) {
			t.Parallel()
			names := map[string]string{"paymentId": "p", "generic1": "g", "merchantReference": "m", "endToEndId": "e", "creditorReference": "c"}
			names[path] = "X " + visa
			got := translate(fmt.Sprintf(`{"merchant":{"generic1":%q},"payment":{"paymentId":%q,"instructedAmount":{"amount":"1","currency":"EUR"}},`+
				`"identifiers":{"merchantReference":%q,"endToEndId":%q,"creditorReference":%q},"status":{"code":"Approved"}}`,
				names["generic1"], names["paymentId"], names["merchantReference"], names["endToEndId"], names["creditorReference"]))
			if got.Rejection == nil || got.Rejection.Code != order.FlagPANDetected || got.Evidence != nil || len(got.Facts) > 0 {
				t.Errorf("got %+v, want pan_detected without the body", got)
			}
		})
	}
	for name, body := range map[string]string{
		"Dropped":  `{"payment":{"paymentId":"p","remittanceInformationUnstructured":"card ` + visa + `"},"status":{"code":"Approved"}}`,
		"Nested":   `{"payment":{"paymentId":"p"},"consumer":{"cards":[{"n":` + visa + `}]},"status":{"code":"Approved"}}`,
		"Grouped":  `{"payment":{"paymentId":"p"},"consumer":{"name":"4111 1111 1111 1111"},"status":{"code":"Approved"}}`,
		"InStatus": `{"payment":{"paymentId":"p"},"status":{"code":"` + visa + `"}}`,
		"InMethod": `{"payment":{"paymentId":"p","paymentMethod":"` + visa + `"},"status":{"code":"Approved"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := translate(body)
			if got.Rejection != nil || len(got.Facts) < 3 {
				t.Fatalf("got %+v, want the payment to be counted", got)
			}
			flagged, ok := got.Facts[len(got.Facts)-1].(order.Anomaly)
			if !ok || flagged.Code != order.FlagPANDetected {
				t.Errorf("last fact %+v, want pan_detected", got.Facts[len(got.Facts)-1])
			}
			if kept := fmt.Sprintf("%+v %s", gatewaytest.Dump(t, got), got.Evidence); strings.Contains(kept, visa) {
				t.Errorf("the card number is kept: %s", kept)
			}
		})
	}
	t.Run("NotInAccountNumbers", func(t *testing.T) {
		t.Parallel()
		got := facts(t, `{"payment":{"paymentId":"p","debtorAccount":{"iban":"`+cardLikeIBAN+`","bban":"`+visa+`"}},"status":{"code":"Processing"}}`)
		if len(got) != 2 {
			t.Errorf("facts %+v, want no alarm for an account number", got)
		}
	})
}

func TestPartitionKey(t *testing.T) {
	t.Parallel()
	var translator commands.Translator = connectpay.New()
	for body, want := range map[string]string{
		details("Approved"): "SO-417",
		`{"payment":{"paymentId":"p"},"identifiers":{"merchantReference":"m"}}`: "m",
		`{"payment":{"paymentId":"p"}}`:                                         "p",
		`{"identifiers":{"endToEndId":"e"}}`:                                    "e",
		`{`:                                                                     "", `{"payment":{"paymentId":{}}}`: "", `7`: "",
	} {
		if got := translator.(commands.Partitioner).PartitionKey([]byte(body)); got != want {
			t.Errorf("key of %s is %q, want %q", body, got, want)
		}
	}
}
