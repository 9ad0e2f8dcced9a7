package everifin_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/everifin"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
	"github.com/order-ledger/order-ledger/domain/order"
)

// kept are the only members of an order, payment or refund of which the content may be kept.
var kept = map[string]bool{
	"id": true, "orderId": true, "paymentId": true, "refundId": true, "processablePaymentId": true,
	"instructionId": true, "externalId": true, "status": true, "reasonCode": true, "amount": true, "currency": true,
	"createdAt": true, "confirmedAt": true, "finalizedAt": true,
}

// keptOfWhole may be kept of the thing that the body is about, and not of the parts of an order.
var keptOfWhole = map[string]bool{
	"refundLimitPercentage": true, "canBeWithdrawn": true, "canBeUpdated": true, "sumOfPaid": true, "sumOfRefunded": true,
	"disableHooks": true, "isExternalPayment": true,
}

var keptAround = map[string]bool{
	"eventId": true, "eventType": true, "eventTimestamp": true, "meta.status": true, "errors.#.code": true,
}

// names are those of the gateway's members, at any level, and some that it does not have.
var names = []string{
	"data", "meta", "errors", "payments", "refunds", "eventId", "eventType", "eventTimestamp", "code", "message",
	"id", "orderId", "paymentId", "refundId", "processablePaymentId", "instructionId", "externalId", "status",
	"reasonCode", "amount", "currency", "createdAt", "confirmedAt", "finalizedAt", "link", "hookData", "tenant",
	"recipientIban", "recipientName", "recipientBankBic", "senderIban", "senderBankId", "senderBankBic", "senderEmail",
	"variableSymbol", "constantSymbol", "specificSymbol", "reference", "paymentMessage", "redirectUrl", "sumOfPaid",
	"sumOfRefunded", "refundLimitPercentage", "canBeWithdrawn", "x",
}

func mayKeep(path string) bool {
	if keptAround[path] {
		return true
	}
	path = strings.TrimPrefix(path, "data.")
	if kept[path] || keptOfWhole[path] {
		return true
	}
	part, of := strings.CutPrefix(path, "payments.#.")
	if !of {
		part, of = strings.CutPrefix(path, "refunds.#.")
	}
	return of && kept[part]
}

// TestTranslate_KeepsNothingElse: nothing of a body is kept that is not known to be harmless.
func TestTranslate_KeepsNothingElse(t *testing.T) {
	t.Parallel()
	gatewaytest.KeepsNothingElse(t, everifin.New(), names, "data.id", mayKeep)
}

// TestTranslate_KeepsNothingOfThePayer is the same for whole bodies as the gateway sends them.
func TestTranslate_KeepsNothingOfThePayer(t *testing.T) {
	t.Parallel()
	const marked = `"recipientIban":"MARK","recipientName":"MARK","recipientBankBic":"MARK","senderIban":"MARK","senderBankId":"MARK",` +
		`"senderBankBic":"MARK","senderEmail":"MARK","variableSymbol":"MARK","constantSymbol":"MARK","specificSymbol":"MARK",` +
		`"reference":"MARK","paymentMessage":"MARK","link":"MARK","redirectUrl":"MARK","hookData":{"tenant":"MARK","MARK":["MARK"]}`
	for _, body := range map[string]string{
		"Order": `{"meta":{"status":"SUCCESS","trace":"MARK"},"data":{"id":"o","status":"PAID","amount":5,"currency":"EUR",` + marked +
			`,"payments":[{"id":"p","status":"FAILED",` + marked + `}],"refunds":[{"id":"r","status":"FAILED",` + marked + `}]}}`,
		"Payment":        `{"data":{"id":"p","orderId":"o","status":"FAILED",` + marked + `}}`,
		"UnknownStatus":  `{"data":{"id":"p","orderId":"o","status":"ON_ICE",` + marked + `}}`,
		"Refund":         `{"data":{"refundId":"r","orderId":"o","status":"BOOKED",` + marked + `}}`,
		"Hook":           `{"eventId":"e","eventType":"payment.statusChange","sender":"MARK","data":{"paymentId":"p","orderId":"o","status":"SEEN",` + marked + `}}`,
		"BarePayment":    `{"id":"p","orderId":"o","status":"FAILED",` + marked + `}`,
		"UnreadableTime": `{"id":"p","orderId":"o","status":"FAILED","finalizedAt":"",` + marked + `}`,
	} {
		gatewaytest.KeepsNoMark(t, everifin.New(), body)
	}
}

const visa = "4111111111111111"

func TestTranslate_CardNumbers(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"orderId", "paymentId", "instructionId", "externalId"} {
		t.Run("In_"+path, func(t *testing.T) {
			t.Parallel()
			names := map[string]string{"orderId": "o", "paymentId": "p", "instructionId": "i", "externalId": "x"}
			names[path] = "X " + visa
			got := translate(fmt.Sprintf(`{"eventId":"e","eventType":"payment.statusChange","data":{"paymentId":%q,"orderId":%q,"instructionId":%q,"externalId":%q,"status":"BOOKED"}}`,
				names["paymentId"], names["orderId"], names["instructionId"], names["externalId"]))
			if got.Rejection == nil || got.Rejection.Code != order.FlagPANDetected || got.Evidence != nil || len(got.Facts) > 0 {
				t.Errorf("got %+v, want pan_detected without the body", got)
			}
		})
	}
	for name, body := range map[string]string{
		"InEventID":   `{"eventId":"` + visa + `","eventType":"payment.statusChange","data":{"paymentId":"p","orderId":"o","status":"BOOKED"}}`,
		"InPartOrder": `{"data":{"id":"o","status":"PAID","payments":[{"id":"p","status":"BOOKED"},{"id":"` + visa + `","status":"BOOKED"}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := translate(body); got.Rejection == nil || got.Rejection.Code != order.FlagPANDetected || got.Evidence != nil {
				t.Errorf("got %+v, want pan_detected without the body", got)
			}
		})
	}
	for name, body := range map[string]string{
		"Dropped":      `{"data":{"id":"p","orderId":"o","status":"BOOKED","paymentMessage":"card ` + visa + `"}}`,
		"InHookData":   `{"eventType":"payment.statusChange","data":{"paymentId":"p","orderId":"o","status":"BOOKED","hookData":{"id":` + visa + `}}}`,
		"InMemberName": `{"data":{"id":"p","orderId":"o","status":"BOOKED","hookData":{"` + visa + `":1}}}`,
		"Grouped":      `{"data":{"id":"p","orderId":"o","status":"BOOKED","reference":"4111-1111-1111-1111"}}`,
		"InReason":     `{"data":{"id":"p","orderId":"o","status":"FAILED","reasonCode":"` + visa + `"}}`,
		"InStatus":     `{"data":{"id":"p","orderId":"o","status":"` + visa + `"}}`,
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
			if all := gatewaytest.Dump(t, got); strings.Contains(all, visa) {
				t.Errorf("the card number is kept: %s", all)
			}
		})
	}
	t.Run("NotInAccountNumbers", func(t *testing.T) {
		t.Parallel()
		got := facts(t, `{"data":{"id":"p","orderId":"o","status":"SEEN","senderIban":"XX00`+visa+`","recipientIban":"`+visa+`"}}`)
		if len(got) != 2 {
			t.Errorf("facts %+v, want no alarm for an account number", got)
		}
	})
}
