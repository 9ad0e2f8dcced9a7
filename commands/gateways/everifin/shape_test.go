package everifin_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/everifin"
	"github.com/order-ledger/order-ledger/domain/order"
)

// TestTranslate_Shapes tests the rules of the package comment by which a body that does not name
// its type is told to be about an order, a payment or a refund.
func TestTranslate_Shapes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, data string
		about      string // what the last fact is about
		orderID    string
		payments   []string
	}{
		{"RefundID", `{"refundId":"r","orderId":"o","status":"BOOKED"}`, "refund r", "o", nil},
		{"RefundIDWithPaymentID", `{"refundId":"r","paymentId":"p","status":"BOOKED"}`, "refund r of p", "", []string{"p"}},
		{"IDWithPaymentID", `{"id":"r","paymentId":"p","orderId":"o","status":"BOOKED"}`, "refund r of p", "o", []string{"p"}},
		{"PaymentID", `{"paymentId":"p","orderId":"o","status":"BOOKED"}`, "payment p", "o", []string{"p"}},
		{"PaymentIDAlone", `{"paymentId":"p","status":"BOOKED"}`, "payment p", "", []string{"p"}},
		{"OrderIDAlone", `{"orderId":"o","status":"PAID"}`, "order", "o", nil},
		{"OrderIDAloneUnknownStatus", `{"orderId":"o","status":"NEW_WORD"}`, "status", "o", nil},
		{"OrderByStatus", `{"id":"o","status":"PAID"}`, "order", "o", nil},
		{"OrderByPayments", `{"id":"o","status":"NEW_WORD","payments":[{"id":"p","status":"SEEN"}]}`, "status", "o", []string{"p"}},
		{"OrderByRefunds", `{"id":"o","status":"NEW_WORD","refunds":[]}`, "status", "o", nil},
		{"OrderByProcessablePayment", `{"id":"o","processablePaymentId":"p","link":"https://x"}`, "payment p", "o", []string{"p"}},
		{"OrderByNullMember", `{"id":"o","status":"NEW_WORD","sumOfPaid":null}`, "status", "o", nil},
		{"OrderCreated", `{"id":"o","processablePaymentId":"p","link":"https://x","status":"UNPAID"}`, "order", "o", []string{"p"}},
		{"RefundCreatedWithOrder", `{"id":"r","orderId":"o","link":"https://x","status":"CREATED"}`, "refund r", "o", nil},
		{"PaymentByOrderID", `{"id":"p","orderId":"o","status":"NEW_WORD"}`, "status p", "o", []string{"p"}},
		{"PaymentByStatus", `{"id":"p","status":"BOOKED"}`, "payment p", "", []string{"p"}},
		{"PaymentDespiteOrderMember", `{"id":"p","orderId":"o","status":"BOOKED","canBeWithdrawn":false}`, "payment p", "o", []string{"p"}},
	} {
		for form, body := range map[string]string{
			"Answer": `{"meta":{"status":"SUCCESS"},"data":` + tc.data + `}`, "DataAlone": `{"data":` + tc.data + `}`, "Bare": tc.data,
		} {
			t.Run(tc.name+form, func(t *testing.T) {
				t.Parallel()
				got := translate(body)
				if got.Rejection != nil {
					t.Fatalf("rejected: %+v", got.Rejection)
				}
				if about := describe(got.Facts[len(got.Facts)-1]); about != tc.about {
					t.Errorf("about %q, want %q", about, tc.about)
				}
				if got.SourceOrderID != tc.orderID || !slices.Equal(got.SourcePaymentIDs, tc.payments) {
					t.Errorf("order %q, payments %q; want %q, %q", got.SourceOrderID, got.SourcePaymentIDs, tc.orderID, tc.payments)
				}
			})
		}
	}
}

func describe(f order.Fact) string {
	switch f := f.(type) {
	case order.PaymentSeen:
		return "payment " + f.Payment.SourceID
	case order.Viewed:
		return "payment " + f.Payment.SourceID
	case order.Settled:
		return "payment " + f.Payment.SourceID
	case order.RefundReported:
		if f.Payment != nil {
			return "refund " + f.SourceRefundID + " of " + f.Payment.SourceID
		}
		return "refund " + f.SourceRefundID
	case order.OrderStatusObserved:
		return "order"
	case order.StatusObserved:
		if f.Payment != nil {
			return "status " + f.Payment.SourceID
		}
		return "status"
	}
	return "something else"
}

func TestTranslate_Rejects(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body string
		code       order.Flag
		detail     string // part of it
	}{
		{"NotJSON", `{"data":`, order.FlagMalformedBody, "malformed JSON"},
		{"Empty", ``, order.FlagMalformedBody, "malformed JSON"},
		{"NotAnObject", `[1]`, order.FlagMalformedBody, "an array, want an object"},
		{"List", `{"meta":{"status":"SUCCESS"},"data":[{"id":"o","status":"PAID"}]}`, order.FlagMalformedBody, "list"},
		{"DataIsText", `{"data":"x"}`, order.FlagMalformedBody, "member data is a string"},
		{"NoData", `{"eventId":"e","eventType":"payment.statusChange"}`, order.FlagUnknownOrder, "no data"},
		{"NullData", `{"meta":{"status":"SUCCESS"},"data":null}`, order.FlagUnknownOrder, "no data"},
		{"NoIDs", `{"data":{"status":"BOOKED"}}`, order.FlagUnknownOrder, "names no order"},
		{"BlankID", `{"data":{"paymentId":"  ","status":"BOOKED"}}`, order.FlagUnknownOrder, "names no order"},
		{"IDOnly", `{"data":{"id":"x","status":"NEW_WORD"}}`, order.FlagUnknownOrder, "names no order"},
		{"LinkOfUnknownKind", `{"data":{"id":"x","link":"https://x","status":"NEW_WORD"}}`, order.FlagUnknownOrder, "names no order"},
		{"RefundWithoutOrder", `{"meta":{"status":"SUCCESS"},"data":{"id":"r","link":"https://x","status":"CREATED"}}`, order.FlagUnknownOrder, "refund names no order"},
		{"IDIsObject", `{"data":{"paymentId":{},"status":"BOOKED"}}`, order.FlagMalformedBody, "member data.paymentId is an object"},
		{"IDTooLong", `{"data":{"paymentId":"` + strings.Repeat("x", 256) + `","status":"BOOKED"}}`, order.FlagMalformedBody, "more than 255 bytes"},
		{"IDWithControl", `{"data":{"paymentId":"a\u0007b","status":"BOOKED"}}`, order.FlagMalformedBody, "cannot be printed"},
		{"MemberTwice", `{"data":{"paymentId":"p","status":"FAILED","status":"BOOKED"}}`, order.FlagMalformedBody, "twice"},
		{"Error", `{"errors":[{"code":"INVALID_ORDER_AMOUNT","message":"Ada Byron"}]}`, order.FlagUnknownOrder, "(INVALID_ORDER_AMOUNT)"},
		{"ErrorBesideData", `{"errors":[{"code":"X"}],"data":{"id":"o","status":"PAID"}}`, order.FlagUnknownOrder, "(X)"},
		{"NoSuccess", `{"meta":{"status":"FAILURE"},"data":{"id":"o","status":"PAID"}}`, order.FlagUnknownOrder, "error answer"},
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
			if strings.Contains(got.Rejection.Detail, "Byron") || strings.Contains(string(got.Evidence), "Byron") {
				t.Errorf("a person's name is kept: %s, %s", got.Rejection.Detail, got.Evidence)
			}
		})
	}
	t.Run("NoErrors", func(t *testing.T) {
		t.Parallel()
		for _, none := range []string{`[]`, `{}`, `""`, `null`} {
			facts(t, `{"meta":{"status":"SUCCESS"},"errors":`+none+`,"data":{"id":"o","status":"PAID"}}`)
		}
	})
}

func TestTranslate_Question(t *testing.T) {
	t.Parallel()
	got := translate(`{"eventId":"aa01","eventType":"payment.statusCheck","eventTimestamp":"2026-11-20T10:01:00.000Z","data":{"paymentId":"p","orderId":"o"}}`)
	if !got.Question || got.Rejection != nil || len(got.Facts) > 0 {
		t.Errorf("got %+v, want a question without facts", got)
	}
}

// TestTranslate_PartsThatCannotBeTold shows that one unreadable part of an order is flagged and
// does not take the others with it.
func TestTranslate_PartsThatCannotBeTold(t *testing.T) {
	t.Parallel()
	got := facts(t, `{"data":{"id":"o","amount":3,"currency":"EUR","status":"PAID","payments":[
		{"status":"BOOKED","amount":1,"currency":"EUR"},{"id":"p2","amount":2,"currency":"EUR"},{"id":"p3","status":"BOOKED","amount":1,"currency":"EUR"}]}}`)
	var flagged []string
	var booked []string
	for _, f := range got {
		switch f := f.(type) {
		case order.Anomaly:
			flagged = append(flagged, string(f.Code)+" "+f.Detail)
		case order.Captured:
			booked = append(booked, f.Payment.SourceID)
		}
	}
	want := []string{
		"malformed_body member data.payments[0] has no id",
		"malformed_body a payment or refund of the body has no status",
	}
	if !slices.Equal(flagged, want) || !slices.Equal(booked, []string{"p3"}) {
		t.Errorf("flagged %q, booked %q", flagged, booked)
	}
	t.Run("HookOfPaymentWithoutItsID", func(t *testing.T) {
		t.Parallel()
		got := facts(t, `{"eventType":"payment.statusChange","data":{"orderId":"o","status":"BOOKED"}}`)
		if a, ok := got[0].(order.Anomaly); len(got) != 1 || !ok || a.Code != order.FlagMalformedBody {
			t.Errorf("facts %+v, want malformed_body alone", got)
		}
	})
}

func TestPartitionKey(t *testing.T) {
	t.Parallel()
	var translator commands.Translator = everifin.New()
	for body, want := range map[string]string{
		hookOf("paymentId", "p", "SEEN", hookTime):                        "o",
		hookOf("refundId", "r", "SEEN", hookTime):                         "o",
		`{"meta":{"status":"SUCCESS"},"data":{"id":"o","status":"PAID"}}`: "o",
		`{"id":"p","orderId":"o","status":"SEEN"}`:                        "o",
		`{"data":{"paymentId":"p","status":"SEEN"}}`:                      "p",
		`{`: "", `{"data":{"id":{}}}`: "", `[]`: "",
	} {
		if got := translator.(commands.Partitioner).PartitionKey([]byte(body)); got != want {
			t.Errorf("key of %s is %q, want %q", body, got, want)
		}
	}
}
