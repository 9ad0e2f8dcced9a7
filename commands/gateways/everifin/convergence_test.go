package everifin_test

import (
	"fmt"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/everifin"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
	"github.com/order-ledger/order-ledger/domain/order"
)

func hookOf(what, id, status, moment string) string {
	return fmt.Sprintf(`{"eventId":"%[2]s-%[3]s","eventType":"payment.statusChange","eventTimestamp":%[4]q,"data":{%[1]q:%[2]q,"orderId":"o","externalId":"SO","status":%[3]q}}`,
		what, id, status, moment)
}

// TestTranslate_AnyOrderOfArrival: hooks and answers of one order end with the same books in every
// order of arrival, and told twice they change nothing (invariants I6 and I7).
func TestTranslate_AnyOrderOfArrival(t *testing.T) {
	t.Parallel()
	const created = `{"meta":{"status":"SUCCESS"},"data":{"id":"o","processablePaymentId":"p1","link":"https://x","status":"UNPAID"}}`
	orderNow := func(amount, status, parts string) string {
		return `{"meta":{"status":"SUCCESS"},"data":{"id":"o","amount":` + amount + `,"currency":"EUR","status":"` + status +
			`","externalId":"SO","createdAt":"2026-11-20T10:00:00Z",` + parts + `}}`
	}
	gatewaytest.AnyOrder(t, everifin.New(), []gatewaytest.Arrival{
		{Name: "BookedByHooks", Bodies: []string{
			created,
			hookOf("paymentId", "p1", "SEEN", "2026-11-20T10:01:00Z"),
			hookOf("paymentId", "p1", "CONFIRMED", "2026-11-20T10:02:00Z"),
			hookOf("paymentId", "p1", "BOOKED", "2026-11-20T10:03:00Z"),
			orderNow("120.99", "PAID", `"payments":[{"id":"p1","status":"BOOKED","amount":120.99,"currency":"EUR"}],"refunds":[]`),
		}, Books: "due 120.99, PAID, captured 120.99, settled 120.99, net 120.99"},
		{Name: "RaisedToTwoPayments", Bodies: []string{
			orderNow("120.99", "UNPAID", `"payments":[{"id":"p1","status":"CREATED","amount":120.99,"currency":"EUR"}],"refunds":[]`),
			hookOf("paymentId", "p1", "BOOKED", "2026-11-20T10:03:00Z"),
			orderNow("150.99", "PARTIALLY_PAID", `"payments":[{"id":"p1","status":"BOOKED","amount":120.99,"currency":"EUR"},{"id":"p2","status":"CREATED","amount":30,"currency":"EUR"}]`),
			hookOf("paymentId", "p2", "BOOKED", "2026-11-20T11:03:00Z"),
		}, Books: "due 150.99, PAID, captured 150.99, settled 150.99, net 150.99"},
		{Name: "RaisedBeforeThePayment", Bodies: []string{
			orderNow("41.44", "UNPAID", `"payments":[{"id":"p1","status":"CREATED","amount":41.44,"currency":"EUR"}],"refunds":[]`),
			orderNow("43.17", "UNPAID", `"payments":[{"id":"p1","status":"CREATED","amount":43.17,"currency":"EUR"}],"refunds":[]`),
			`{"data":{"id":"p1","orderId":"o","amount":43.17,"currency":"EUR","status":"PROCESSING","createdAt":"2026-11-20T10:00:00Z"}}`,
			hookOf("paymentId", "p1", "BOOKED", "2026-11-20T10:03:00Z"),
			orderNow("43.17", "PAID", `"payments":[{"id":"p1","status":"BOOKED","amount":43.17,"currency":"EUR"}],"refunds":[]`),
		}, Books: "due 43.17, PAID, captured 43.17, settled 43.17, net 43.17"},
		{Name: "FailedAfterConfirmation", Bodies: []string{
			orderNow("10", "UNPAID", `"payments":[{"id":"p1","status":"CREATED","amount":10,"currency":"EUR"}]`),
			hookOf("paymentId", "p1", "CONFIRMED", "2026-11-20T10:02:00Z"),
			hookOf("paymentId", "p1", "FAILED", "2026-11-20T10:03:00Z"),
			`{"data":{"id":"p1","orderId":"o","amount":10,"currency":"EUR","status":"FAILED","reasonCode":"AML_BLOCKED","confirmedAt":"2026-11-20T10:02:00Z","finalizedAt":"2026-11-20T10:03:00Z"}}`,
		}, Books: "due 10.00, UNPAID"},
		{Name: "LostSightThenBooked", Bodies: []string{
			orderNow("10", "UNPAID", `"payments":[{"id":"p1","status":"PROCESSING","amount":10,"currency":"EUR"}]`),
			hookOf("paymentId", "p1", "PROCESSING_EXPIRED", "2026-11-20T10:33:00Z"),
			hookOf("paymentId", "p1", "BOOKED", "2026-11-21T10:03:00Z"),
		}, Books: "due 10.00, PAID, captured 10.00, settled 10.00, net 10.00"},
		{Name: "PartlyRefunded", Bodies: []string{
			orderNow("10", "PAID", `"payments":[{"id":"p1","status":"BOOKED","amount":10,"currency":"EUR"}],"refunds":[{"id":"r1","status":"CREATED","amount":4,"currency":"EUR"}]`),
			hookOf("refundId", "r1", "SEEN", "2026-11-21T10:00:00Z"),
			hookOf("refundId", "r1", "BOOKED", "2026-11-21T10:03:00Z"),
			hookOf("refundId", "r2", "FAILED", "2026-11-21T11:03:00Z"),
			`{"data":{"refundId":"r2","orderId":"o","amount":6,"currency":"EUR","status":"FAILED"}}`,
		}, Books: "due 10.00, PAID, refund PARTIAL, captured 10.00, settled 10.00, refunded 4.00, net 6.00"},
		{Name: "RefundOpen", Bodies: []string{
			orderNow("10", "PAID", `"payments":[{"id":"p1","status":"BOOKED","amount":10,"currency":"EUR"}]`),
			hookOf("refundId", "r1", "CREATED", "2026-11-21T10:00:00Z"),
			hookOf("refundId", "r1", "PROCESSING_EXPIRED", "2026-11-21T10:30:00Z"),
			`{"data":{"refundId":"r1","orderId":"o","amount":10,"currency":"EUR","status":"PROCESSING"}}`,
		}, Books: "due 10.00, PAID, refund PENDING, captured 10.00, settled 10.00, pending 10.00, net 10.00"},
		{Name: "AmountFromTheCreateAnswer", Bodies: []string{
			`{"data":{"id":"o","processablePaymentId":"p1","link":"https://x","status":"UNPAID","amount":25.5,"currency":"EUR","externalId":"SO"}}`,
			hookOf("paymentId", "p1", "PROCESSING", "2026-11-20T10:02:00Z"),
			hookOf("paymentId", "p1", "BOOKED", "2026-11-20T10:03:00Z"),
		}, Books: "due 25.50, PAID, captured 25.50, settled 25.50, net 25.50"},
	})
}

// TestTranslate_ReasonLearntLater: hooks tell no reason; the payment's own body does, before or after.
func TestTranslate_ReasonLearntLater(t *testing.T) {
	t.Parallel()
	hook := hookOf("paymentId", "p1", "FAILED", "2026-11-20T10:03:00Z")
	const answer = `{"data":{"id":"p1","orderId":"o","amount":10,"currency":"EUR","status":"FAILED","reasonCode":"BANK_NOT_FOUND"}}`
	for _, bodies := range [][]string{{hook, answer}, {answer, hook}, {hook, answer, answer + " ", hook + " "}, {answer}} {
		state := gatewaytest.Fold(t, everifin.New(), bodies)
		if p := state.Payments[0]; p.Status != order.PaymentFailedStatus || p.ReasonCode != "BANK_NOT_FOUND" {
			t.Errorf("after %q: payment %s for %q, want FAILED for BANK_NOT_FOUND", bodies, p.Status, p.ReasonCode)
		}
	}
}
