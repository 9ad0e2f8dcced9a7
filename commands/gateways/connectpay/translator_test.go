package connectpay_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/connectpay"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

const paymentID = "0740a1b2-22c3-4f6e-8a11-7d5b9e0c442b"

func translate(body string) commands.Translation {
	return gatewaytest.Translate(connectpay.New(), body)
}

// facts translates a body that must belong to an order and be countable.
func facts(t *testing.T, body string) []order.Fact {
	t.Helper()
	return gatewaytest.Facts(t, connectpay.New(), body)
}

func details(status string) string {
	return fmt.Sprintf(`{"merchant":{"generic1":"SO-417"},"payment":{"paymentId":%q,"paymentMethod":"CARD",`+
		`"instructedAmount":{"amount":"49.00","currency":"EUR"}},"identifiers":{"merchantReference":"c4e6"},`+
		`"status":{"code":%q,"isTerminal":false}}`, paymentID, status)
}

func digest(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// TestTranslate_Statuses is the table of domain 4.4, seed 004.
func TestTranslate_Statuses(t *testing.T) {
	t.Parallel()
	ref := order.PaymentRef{SourceID: paymentID}
	amount := money.MustParse("49.00", "EUR")
	told := func(key, status string) order.At {
		return order.At{Key: "connectpay:" + paymentID + ":" + key, Basis: order.BasisReceived, Status: status}
	}
	seen := order.PaymentSeen{At: told("introduced", ""), Payment: ref, Amount: &amount, Method: "CARD"}
	implied := order.Captured{At: told("captured", ""), Payment: ref, Amount: &amount, Method: "CARD", Implied: true}
	back := func(status string) order.Fact {
		return order.RefundWord{
			At: told(status+":refund_failed:"+digest(details(status)), status), Payment: ref, Step: order.RefundStepFailed,
		}
	}
	for _, tc := range []struct {
		status string
		want   []order.Fact
	}{
		{"Initiated", []order.Fact{order.PaymentSeen{At: told("Initiated", "Initiated"), Payment: ref, Amount: &amount, Method: "CARD"}}},
		{"PendingMerchant", []order.Fact{
			seen, order.StatusObserved{At: told("PendingMerchant", "PendingMerchant"), Payment: &ref, Recognised: true},
		}},
		{"InProgress", []order.Fact{seen, order.Viewed{At: told("InProgress", "InProgress"), Payment: &ref}}},
		{"Processing", []order.Fact{seen, order.Processing{At: told("Processing", "Processing"), Payment: ref}}},
		{"PendingProvider", []order.Fact{seen, order.PendingAtProvider{At: told("PendingProvider", "PendingProvider"), Payment: ref}}},
		{"Approved", []order.Fact{
			seen, back("Approved"), order.Captured{At: told("Approved", "Approved"), Payment: ref, Amount: &amount, Method: "CARD"},
		}},
		{"Settled", []order.Fact{
			seen, back("Settled"), order.Settled{At: told("Settled", "Settled"), Payment: ref, Amount: &amount},
		}},
		{"Failed", []order.Fact{seen, order.Failed{At: told("Failed", "Failed"), Payment: ref, Final: true}}},
		{"Abandoned", []order.Fact{seen, order.Abandoned{At: told("Abandoned", "Abandoned"), Payment: ref}}},
		{"PendingRefund", []order.Fact{
			seen, with(implied, "PendingRefund"),
			order.RefundWord{At: told("PendingRefund", "PendingRefund"), Payment: ref, Step: order.RefundStepInitiated},
		}},
		{"PartialyRefunded", []order.Fact{
			seen, with(implied, "PartialyRefunded"),
			order.RefundWord{At: told("PartialyRefunded", "PartialyRefunded"), Payment: ref, Step: order.RefundStepCompleted, Partial: true},
		}},
		{"PartiallyRefunded", []order.Fact{
			seen, with(implied, "PartiallyRefunded"),
			order.RefundWord{At: told("PartialyRefunded", "PartiallyRefunded"), Payment: ref, Step: order.RefundStepCompleted, Partial: true},
		}},
		{"Refunded", []order.Fact{
			seen, with(implied, "Refunded"),
			order.RefundWord{At: told("Refunded", "Refunded"), Payment: ref, Step: order.RefundStepCompleted},
		}},
		{"OnIce", []order.Fact{seen, order.StatusObserved{At: told("unrecognised:onice", "OnIce"), Payment: &ref}}},
		{"PENDING_PROVIDER", []order.Fact{seen, order.PendingAtProvider{At: told("PendingProvider", "PENDING_PROVIDER"), Payment: ref}}},
		{" partialy refunded", []order.Fact{
			seen, with(implied, " partialy refunded"),
			order.RefundWord{At: told("PartialyRefunded", " partialy refunded"), Payment: ref, Step: order.RefundStepCompleted, Partial: true},
		}},
	} {
		t.Run(tc.status, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, facts(t, details(tc.status))); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
		})
	}
}

func with(f order.Captured, status string) order.Fact {
	f.Status = status
	return f
}

// TestTranslate_TerminalDecidesNothing: the flag contradicts what the gateway does.
func TestTranslate_TerminalDecidesNothing(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"Approved", "Settled", "PendingRefund", "Abandoned"} {
		body := details(status)
		for _, terminal := range []string{`true`, `null`, `"no"`} {
			other := facts(t, strings.Replace(body, `"isTerminal":false`, `"isTerminal":`+terminal, 1))
			opts := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Key" }, cmp.Ignore())
			if diff := cmp.Diff(facts(t, body), other, opts); diff != "" {
				t.Errorf("%s with isTerminal %s (-false +%s):\n%s", status, terminal, terminal, diff)
			}
		}
		if evidence := string(translate(body).Evidence); !strings.Contains(evidence, `"isTerminal":false`) {
			t.Errorf("evidence %s, want isTerminal in it", evidence)
		}
	}
}

// TestTranslate_RefundFailedOncePerBody: the same word may come after every failed refund, and the
// same body twice is one fact.
func TestTranslate_RefundFailedOncePerBody(t *testing.T) {
	t.Parallel()
	key := func(body string) string {
		got := facts(t, body)
		return got[1].(order.RefundWord).Key
	}
	one, two := details("Approved"), strings.Replace(details("Approved"), "SO-417", "SO-417 ", 1)
	first, again, other := key(one), key(one), key(two)
	if first != again || first == other {
		t.Errorf("keys %s, %s, %s; want the first two equal and the third different", first, again, other)
	}
}

func TestTranslate_Names(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body                string
		payment                   string
		references                []string
		sourceOrder, merchantsRef string
	}{
		{"All", `{"merchant":{"generic1":"g"},"payment":{"paymentId":"p"},"identifiers":{"merchantReference":"m","endToEndId":"e"},"status":{"code":"Approved"}}`,
			"p", []string{"g", "m"}, "g", "g"},
		{"NoGeneric", `{"merchant":{"generic1":null},"payment":{"paymentId":"p"},"identifiers":{"merchantReference":"m"},"status":{"code":"Approved"}}`,
			"p", []string{"m"}, "m", "m"},
		{"SameTwice", `{"merchant":{"generic1":"m"},"payment":{"paymentId":"p"},"identifiers":{"merchantReference":"m"},"status":{"code":"Approved"}}`,
			"p", []string{"m"}, "m", "m"},
		{"PaymentAlone", `{"payment":{"paymentId":"p"},"status":{"code":"Approved"}}`, "p", nil, "p", ""},
		{"EndToEnd", `{"merchant":{"generic1":"g"},"payment":{},"identifiers":{"endToEndId":"e"},"status":{"code":"Approved"}}`,
			"e2e/default/e", []string{"g"}, "g", "g"},
		{"EndToEndAlone", `{"identifiers":{"endToEndId":"e"},"status":{"code":"Approved"}}`, "e2e/default/e", nil, "e2e/default/e", ""},
		{"EndToEndOfNobody", `{"merchant":{"generic1":"g"},"identifiers":{"endToEndId":"NOTPROVIDED"},"status":{"code":"Approved"}}`,
			"reference/default/g", []string{"g"}, "g", "g"},
		{"ReferenceAlone", `{"identifiers":{"merchantReference":"m"},"status":{"code":"Approved"}}`, "reference/default/m", []string{"m"}, "m", "m"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := translate(tc.body)
			if got.Rejection != nil || got.SourceOrderID != "" {
				t.Fatalf("rejection %+v, order id %q; want none, for the gateway has no orders", got.Rejection, got.SourceOrderID)
			}
			if !slices.Equal(got.SourcePaymentIDs, []string{tc.payment}) || !slices.Equal(got.MerchantReferences, tc.references) {
				t.Errorf("payments %q, references %q; want %q, %q", got.SourcePaymentIDs, got.MerchantReferences, tc.payment, tc.references)
			}
			want := order.Registration{
				Source: "connectpay", SourceAccount: "default", Kind: order.KindPayment, DueFromPayments: true,
				SourceOrderID: tc.sourceOrder, MerchantReference: tc.merchantsRef,
			}
			if diff := cmp.Diff(want, got.Registration); diff != "" {
				t.Errorf("registration (-want +got):\n%s", diff)
			}
			if seen := got.Facts[0].(order.PaymentSeen); seen.Payment.SourceID != tc.payment {
				t.Errorf("payment %q, want %q", seen.Payment.SourceID, tc.payment)
			}
		})
	}
}

func TestTranslate_Method(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]string{
		`"PIS"`: "PIS", `"CARD"`: "CARD", `"ApplePay"`: "ApplePay", `"GooglePay"`: "GooglePay",
		`"card"`: "CARD", `"APPLEPAY"`: "ApplePay", `["PIS"]`: "PIS", `["CARD","ApplePay"]`: "", `[]`: "",
		`"BLIK"`: "BLIK", `null`: "", `7`: "", `"Ada Byron"`: "", `["PIS",null]`: "", `{}`: "",
	} {
		got := facts(t, `{"payment":{"paymentId":"p","paymentMethod":`+method+`},"status":{"code":"Processing"}}`)
		if seen := got[0].(order.PaymentSeen); seen.Method != want {
			t.Errorf("method %s is %q, want %q", method, seen.Method, want)
		}
	}
}

func TestTranslate_Reason(t *testing.T) {
	t.Parallel()
	for description, want := range map[string]string{
		"Declined": "declined", "SESSION_EXPIRED": "session_expired", "Insufficient funds": "insufficient_funds",
		"Canceled": "cancelled", "Payment failed for Ada Byron": "", "": "",
	} {
		body := fmt.Sprintf(`{"payment":{"paymentId":"p"},"status":{"code":"Failed","description":%q}}`, description)
		got := facts(t, body)
		if failed := got[1].(order.Failed); failed.ReasonCode != want {
			t.Errorf("reason of %q is %q, want %q", description, failed.ReasonCode, want)
		}
	}
}

func TestTranslate_Timestamp(t *testing.T) {
	t.Parallel()
	moment := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Time{
		"2026-11-20T10:00:00Z":      moment,
		"2026-11-20T10:00:00.25Z":   moment.Add(250 * time.Millisecond),
		"2026-11-20T11:00:00+01:00": moment,
		"2026-11-20T10:00:00":       moment,
		"2026-11-20 10:00:00":       moment,
		"1795168800":                moment,
		"1795168800250":             moment.Add(250 * time.Millisecond),
		"":                          {},
		"yesterday":                 {},
		"12":                        {},
		"99999999999999999":         {},
	} {
		n := gatewaytest.Notification("connectpay", details("Approved"))
		n.Header = http.Header{}
		n.Header.Set("x-connectpay-timestamp", header)
		got := connectpay.New().Translate(n).Facts[2].(order.Captured)
		basis := order.BasisSourceEvent
		if want.IsZero() {
			basis = order.BasisReceived
		}
		if !got.OccurredAt.Equal(want) || got.OccurredAt.Location() != time.UTC || got.Basis != basis {
			t.Errorf("timestamp %q: %v by %s, want %v by %s", header, got.OccurredAt, got.Basis, want, basis)
		}
	}
}
