package everifin_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/everifin"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

const (
	orderID   = "bf4f0101-5a0e-4c35-b7a5-2d10d9a0c601"
	paymentID = "372f0a10-41f1-4f0c-9d6a-8d6f0a4c1e7a"
	refundID  = "e7aa5b6c-0d1e-4f2a-9b3c-4d5e6f708190"
)

func translate(body string) commands.Translation {
	return gatewaytest.Translate(everifin.New(), body)
}

// facts translates a body that must belong to an order and be countable.
func facts(t *testing.T, body string) []order.Fact {
	t.Helper()
	return gatewaytest.Facts(t, everifin.New(), body)
}

func at(text string) time.Time {
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return moment.UTC()
}

func eur(text string) *money.Money {
	m := money.MustParse(text, "EUR")
	return &m
}

func wantFacts(t *testing.T, got, want []order.Fact) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

const hookTime = "2026-11-20T10:05:59.895Z"

func paymentHook(status string) string {
	return fmt.Sprintf(`{"eventId":"4e89","eventType":"payment.statusChange","eventTimestamp":%q,`+
		`"data":{"paymentId":%q,"orderId":%q,"externalId":"SO-417","status":%q}}`, hookTime, paymentID, orderID, status)
}

func refundHook(status string) string {
	return fmt.Sprintf(`{"eventId":"0c5e","eventType":"payment.statusChange","eventTimestamp":%q,`+
		`"data":{"refundId":%q,"orderId":%q,"externalId":"SO-417","status":%q}}`, hookTime, refundID, orderID, status)
}

// TestTranslate_PaymentStatuses is the table of domain 4.4, seed 003, payments.
func TestTranslate_PaymentStatuses(t *testing.T) {
	t.Parallel()
	ref := order.PaymentRef{SourceID: paymentID, SourceOrderID: orderID}
	told := func(key, status string) order.At {
		return order.At{Key: "everifin:" + paymentID + ":" + key, OccurredAt: at(hookTime), Basis: order.BasisSourceEvent, Status: status}
	}
	seen := order.PaymentSeen{At: told("introduced", ""), Payment: ref}
	for _, tc := range []struct {
		status string
		want   []order.Fact
	}{
		{"CREATED", []order.Fact{
			order.PaymentSeen{At: told("CREATED", "CREATED"), Payment: ref},
		}},
		{"SEEN", []order.Fact{seen, order.Viewed{At: told("SEEN", "SEEN"), Payment: &ref}}},
		{"PROCESSING", []order.Fact{seen, order.Processing{At: told("PROCESSING", "PROCESSING"), Payment: ref}}},
		{"CONFIRMED", []order.Fact{seen, order.Confirmed{At: told("CONFIRMED", "CONFIRMED"), Payment: ref}}},
		{"BOOKED", []order.Fact{
			seen,
			order.Captured{At: told("BOOKED", "BOOKED"), Payment: ref},
			order.Settled{At: told("BOOKED", "BOOKED"), Payment: ref},
		}},
		{"WITHDRAWN", []order.Fact{seen, order.Withdrawn{At: told("WITHDRAWN", "WITHDRAWN"), Payment: ref}}},
		{"FAILED", []order.Fact{seen, order.Failed{At: told("FAILED", "FAILED"), Payment: ref, Final: true}}},
		{"EXPIRED", []order.Fact{seen, order.PaymentLapsed{At: told("EXPIRED", "EXPIRED"), Payment: ref}}},
		{"PROCESSING_EXPIRED", []order.Fact{
			seen, order.OutcomeUnknown{At: told("PROCESSING_EXPIRED", "PROCESSING_EXPIRED"), Payment: ref},
		}},
		{"ON_ICE", []order.Fact{
			seen, order.StatusObserved{At: told("unrecognised:ON_ICE", "ON_ICE"), Payment: &ref, Recognised: false},
		}},
		{" processing-expired ", []order.Fact{
			seen, order.OutcomeUnknown{At: told("PROCESSING_EXPIRED", " processing-expired "), Payment: ref},
		}},
	} {
		t.Run(tc.status, func(t *testing.T) {
			t.Parallel()
			wantFacts(t, facts(t, paymentHook(tc.status)), tc.want)
		})
	}
}

// TestTranslate_RefundStatuses is the table of domain 4.4, seed 003, refunds: the same words.
func TestTranslate_RefundStatuses(t *testing.T) {
	t.Parallel()
	told := func(key, status string) order.At {
		return order.At{Key: "everifin:" + refundID + ":" + key, OccurredAt: at(hookTime), Basis: order.BasisSourceEvent, Status: status}
	}
	for status, want := range map[string]order.Fact{
		"CREATED":            order.RefundReported{At: told("INITIATED", "CREATED"), SourceRefundID: refundID, Step: order.RefundStepInitiated},
		"SEEN":               order.RefundReported{At: told("INITIATED", "SEEN"), SourceRefundID: refundID, Step: order.RefundStepInitiated},
		"PROCESSING":         order.RefundReported{At: told("INITIATED", "PROCESSING"), SourceRefundID: refundID, Step: order.RefundStepInitiated},
		"CONFIRMED":          order.RefundReported{At: told("INITIATED", "CONFIRMED"), SourceRefundID: refundID, Step: order.RefundStepInitiated},
		"BOOKED":             order.RefundReported{At: told("BOOKED", "BOOKED"), SourceRefundID: refundID, Step: order.RefundStepCompleted},
		"WITHDRAWN":          order.RefundReported{At: told("WITHDRAWN", "WITHDRAWN"), SourceRefundID: refundID, Step: order.RefundStepFailed},
		"FAILED":             order.RefundReported{At: told("FAILED", "FAILED"), SourceRefundID: refundID, Step: order.RefundStepFailed},
		"EXPIRED":            order.RefundReported{At: told("EXPIRED", "EXPIRED"), SourceRefundID: refundID, Step: order.RefundStepFailed},
		"PROCESSING_EXPIRED": order.RefundReported{At: told("PROCESSING_EXPIRED", "PROCESSING_EXPIRED"), SourceRefundID: refundID, Step: order.RefundStepUnknown},
		"ON_ICE":             order.StatusObserved{At: told("unrecognised:ON_ICE", "ON_ICE")},
	} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			wantFacts(t, facts(t, refundHook(status)), []order.Fact{want})
		})
	}
}

func TestTranslate_OrderStatuses(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"UNPAID", "PARTIALLY_PAID", "PAID"} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			got := facts(t, fmt.Sprintf(`{"eventId":"7d90","eventType":"order.statusChange","eventTimestamp":%q,`+
				`"data":{"orderId":%q,"externalId":"SO-417","status":%q}}`, hookTime, orderID, status))
			wantFacts(t, got, []order.Fact{order.OrderStatusObserved{
				At: order.At{
					Key:        "everifin:" + orderID + ":order:" + status + ":2026-11-20T10:05:59.895Z",
					OccurredAt: at(hookTime), Basis: order.BasisSourceEvent, Status: status,
				},
				SourceOrderID: orderID,
			}})
		})
	}
	t.Run("Unknown", func(t *testing.T) {
		t.Parallel()
		got := facts(t, fmt.Sprintf(`{"eventType":"order.statusChange","data":{"orderId":%q,"status":"OVERPAID"}}`, orderID))
		wantFacts(t, got, []order.Fact{order.StatusObserved{
			At: order.At{Key: "everifin:" + orderID + ":order:OVERPAID:0", Basis: order.BasisReceived, Status: "OVERPAID"},
		}})
	})
}

func TestTranslate_ReasonCodes(t *testing.T) {
	t.Parallel()
	for code, group := range map[string]string{
		"CANCELED_BY_PAYER_AT_EVERIFIN": "payer_cancelled",
		"BANK_NOT_FOUND":                "payer_cancelled",
		"CANCELED_BY_PAYER_AT_BANK":     "payer_cancelled",
		"MANUAL_TRANSFER_REQUESTED":     "manual_transfer",
		"INSUFFICIENT_AMOUNT":           "insufficient_funds",
		"AML_BLOCKED":                   "blocked_aml",
		"REJECTED_BY_BANK":              "bank_rejected",
		"OTHER":                         "other",
		"SUN_TOO_BRIGHT":                "unrecognised",
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			got := facts(t, fmt.Sprintf(`{"data":{"id":%q,"orderId":%q,"status":"FAILED","reasonCode":%q}}`, paymentID, orderID, code))
			failed, ok := got[len(got)-1].(order.Failed)
			if !ok || failed.ReasonCode != code || failed.ReasonGroup != group || !failed.Final {
				t.Errorf("got %+v, want a final failure for %s of group %s", got[len(got)-1], code, group)
			}
		})
	}
	t.Run("FreeTextIsNotKept", func(t *testing.T) {
		t.Parallel()
		got := facts(t, fmt.Sprintf(`{"data":{"id":%q,"orderId":%q,"status":"FAILED","reasonCode":"Ada Byron had no money"}}`, paymentID, orderID))
		failed := got[len(got)-1].(order.Failed)
		if failed.ReasonCode != "" || failed.ReasonGroup != "unrecognised" {
			t.Errorf("reason %q of group %q, want no reason, unrecognised", failed.ReasonCode, failed.ReasonGroup)
		}
	})
}

// TestTranslate_Order shows that an order's body reports each payment and refund with its amount.
func TestTranslate_Order(t *testing.T) {
	t.Parallel()
	got := translate(`{"meta":{"status":"SUCCESS"},"data":{"id":"o1","amount":150.99,"currency":"EUR","refundLimitPercentage":12.50,
		"status":"PARTIALLY_PAID","externalId":"SO-417","sumOfPaid":120.99,"sumOfRefunded":20.00,"createdAt":"2026-11-20T10:00:00.000Z",
		"payments":[{"id":"p1","status":"BOOKED","amount":120.99,"currency":"EUR"},{"id":"p2","status":"CREATED","amount":30.00,"currency":"EUR","createdAt":"2026-11-20T11:00:00Z"}],
		"refunds":[{"id":"r1","status":"PROCESSING","amount":20,"currency":"EUR"}]}}`)
	p1, p2 := order.PaymentRef{SourceID: "p1", SourceOrderID: "o1"}, order.PaymentRef{SourceID: "p2", SourceOrderID: "o1"}
	unknown := func(key, status string) order.At {
		return order.At{Key: key, Basis: order.BasisReceived, Status: status}
	}
	created := order.At{Key: "everifin:p2:CREATED", OccurredAt: at("2026-11-20T11:00:00Z"), Basis: order.BasisSourceField, Status: "CREATED"}
	wantFacts(t, got.Facts, []order.Fact{
		order.PaymentSeen{At: unknown("everifin:p1:introduced", ""), Payment: p1, Amount: eur("120.99"), Version: order.Version{Progress: 7}},
		order.Captured{At: unknown("everifin:p1:BOOKED", "BOOKED"), Payment: p1, Amount: eur("120.99")},
		order.Settled{At: unknown("everifin:p1:BOOKED", "BOOKED"), Payment: p1, Amount: eur("120.99")},
		order.PaymentSeen{At: created, Payment: p2, Amount: eur("30.00"), Version: order.Version{Progress: 1}},
		order.RefundReported{
			At: unknown("everifin:r1:INITIATED", "PROCESSING"), SourceRefundID: "r1", Step: order.RefundStepInitiated, Amount: eur("20.00"),
		},
		order.OrderStatusObserved{At: order.At{
			Key: "everifin:o1:order:PARTIALLY_PAID:11", OccurredAt: at("2026-11-20T11:00:00Z"), Basis: order.BasisSourceField, Status: "PARTIALLY_PAID",
		}, SourceOrderID: "o1"},
	})
	want := order.Registration{
		Source: "everifin", SourceAccount: "default", Kind: order.KindPayment, SourceOrderID: "o1", MerchantReference: "SO-417",
		Currency: money.MustCurrency("EUR"), AmountDue: eur("150.99"), RefundLimitPercent: "12.50",
		Version:    order.Version{IssuedAt: at("2026-11-20T10:00:00Z"), Progress: 7 + 1 + 3},
		OccurredAt: at("2026-11-20T10:00:00Z"), Basis: order.BasisSourceField,
	}
	if diff := cmp.Diff(want, got.Registration); diff != "" {
		t.Errorf("registration (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"p1", "p2"}, got.SourcePaymentIDs); diff != "" {
		t.Errorf("payment ids (-want +got):\n%s", diff)
	}
}

// TestTranslate_ConfirmedOnTheWay shows that the last word about a payment tells that it had been
// confirmed: a failure then is one after confirmation (domain rule A20).
func TestTranslate_ConfirmedOnTheWay(t *testing.T) {
	t.Parallel()
	got := facts(t, `{"data":{"id":"p1","orderId":"o1","amount":5,"currency":"EUR","status":"FAILED","reasonCode":"AML_BLOCKED",
		"createdAt":"2026-11-20T10:00:00Z","confirmedAt":"2026-11-20T10:02:00Z","finalizedAt":"2026-11-20T10:05:00Z"}}`)
	p1 := order.PaymentRef{SourceID: "p1", SourceOrderID: "o1"}
	field := func(key, moment, status string) order.At {
		return order.At{Key: key, OccurredAt: at(moment), Basis: order.BasisSourceField, Status: status}
	}
	wantFacts(t, got, []order.Fact{
		order.PaymentSeen{
			At: field("everifin:p1:introduced", "2026-11-20T10:00:00Z", ""), Payment: p1, Amount: eur("5.00"), Version: order.Version{Progress: 6},
		},
		order.Confirmed{At: field("everifin:p1:CONFIRMED", "2026-11-20T10:02:00Z", "CONFIRMED"), Payment: p1, Amount: eur("5.00")},
		order.Failed{
			At: field("everifin:p1:FAILED", "2026-11-20T10:05:00Z", "FAILED"), Payment: p1,
			ReasonCode: "AML_BLOCKED", ReasonGroup: "blocked_aml", Final: true,
		},
	})
}

// TestTranslate_Times shows which time a status gets: the one that the gateway keeps for it, the
// hook's, the creation's, none.
func TestTranslate_Times(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body, want string
		basis            order.Basis
	}{
		{"Confirmed", `{"data":{"id":"p","orderId":"o","status":"CONFIRMED","createdAt":"2026-01-01T00:00:00Z","confirmedAt":"2026-01-02T00:00:00Z","finalizedAt":"2026-01-03T00:00:00Z"}}`,
			"2026-01-02T00:00:00Z", order.BasisSourceField},
		{"Final", `{"data":{"id":"p","orderId":"o","status":"BOOKED","createdAt":"2026-01-01T00:00:00Z","finalizedAt":"2026-01-03T00:00:00.123456Z"}}`,
			"2026-01-03T00:00:00.123456Z", order.BasisSourceField},
		{"FinalBeforeHook", `{"eventType":"payment.statusChange","eventTimestamp":"2026-01-04T00:00:00Z","data":{"paymentId":"p","status":"EXPIRED","finalizedAt":"2026-01-03T00:00:00Z"}}`,
			"2026-01-03T00:00:00Z", order.BasisSourceField},
		{"HookBeforeCreation", `{"eventType":"payment.statusChange","eventTimestamp":"2026-01-04T01:00:00+01:00","data":{"paymentId":"p","status":"SEEN","createdAt":"2026-01-01T00:00:00Z"}}`,
			"2026-01-04T00:00:00Z", order.BasisSourceEvent},
		{"Creation", `{"data":{"id":"p","orderId":"o","status":"PROCESSING","createdAt":"2026-01-01T00:00:00Z","confirmedAt":null}}`,
			"2026-01-01T00:00:00Z", order.BasisSourceField},
		{"Nothing", `{"data":{"id":"p","orderId":"o","status":"PROCESSING"}}`, "", order.BasisReceived},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := facts(t, tc.body)
			var told order.At
			switch f := got[len(got)-1].(type) {
			case order.Confirmed:
				told = f.At
			case order.Settled:
				told = f.At
			case order.PaymentLapsed:
				told = f.At
			case order.Viewed:
				told = f.At
			case order.Processing:
				told = f.At
			default:
				t.Fatalf("last fact is %T", f)
			}
			var want time.Time
			if tc.want != "" {
				want = at(tc.want)
			}
			if !told.OccurredAt.Equal(want) || told.OccurredAt.Location() != time.UTC || told.Basis != tc.basis {
				t.Errorf("occurred %v by %s, want %v by %s", told.OccurredAt, told.Basis, want, tc.basis)
			}
		})
	}
	t.Run("UnreadableIsFlagged", func(t *testing.T) {
		t.Parallel()
		got := facts(t, `{"data":{"id":"p","orderId":"o","amount":1,"currency":"EUR","status":"BOOKED","finalizedAt":"yesterday"}}`)
		flagged, ok := got[3].(order.Anomaly)
		if !ok || flagged.Code != order.FlagMalformedBody || flagged.Detail != "member data.finalizedAt is not a time" {
			t.Errorf("last fact %+v, want malformed_body of data.finalizedAt", got[3])
		}
		if captured, ok := got[1].(order.Captured); !ok || !captured.Amount.Equal(*eur("1.00")) {
			t.Errorf("second fact %+v, want the capture all the same", got[1])
		}
	})
}
