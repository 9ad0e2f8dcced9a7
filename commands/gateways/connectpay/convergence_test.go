package connectpay_test

import (
	"fmt"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/connectpay"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
	"github.com/order-ledger/order-ledger/domain/order"
)

func paymentNow(id, amount, status string) string {
	return fmt.Sprintf(`{"merchant":{"generic1":"SO"},"payment":{"paymentId":%q,"paymentMethod":"CARD","instructedAmount":{"amount":%q,"currency":"EUR"}},"status":{"code":%q}}`,
		id, amount, status)
}

// TestTranslate_AnyOrderOfArrival: the bodies of one order end with the same books in every order of
// arrival, and told twice they change nothing (invariants I6, I7 and I9).
func TestTranslate_AnyOrderOfArrival(t *testing.T) {
	t.Parallel()
	gatewaytest.AnyOrder(t, connectpay.New(), []gatewaytest.Arrival{
		{Name: "Settled", Bodies: []string{
			paymentNow("p", "49.00", "Initiated"), paymentNow("p", "49.00", "PendingProvider"),
			paymentNow("p", "49.00", "Approved"), paymentNow("p", "49.00", "Settled"),
		}, Books: "due 49.00, PAID, captured 49.00, settled 49.00, net 49.00"},
		{Name: "OneOfTwoAbandoned", Bodies: []string{
			paymentNow("p", "49.00", "Initiated"), paymentNow("p", "49.00", "Abandoned"),
			paymentNow("q", "49.00", "Processing"), paymentNow("q", "49.00", "Approved"),
		}, Books: "due 49.00, PAID, captured 49.00, net 49.00"},
		{Name: "TwoParts", Bodies: []string{
			paymentNow("p", "40.00", "Settled"), paymentNow("q", "9.00", "Approved"), paymentNow("r", "1.00", "Processing"),
		}, Books: "due 50.00, PARTIALLY_PAID, captured 49.00, settled 40.00, net 49.00"},
		{Name: "SettledAfterAbandoned", Bodies: []string{
			paymentNow("p", "49.00", "Abandoned"), paymentNow("p", "49.00", "Settled"),
		}, Books: "due 49.00, PAID, captured 49.00, settled 49.00, net 49.00"},
		{Name: "Refunded", Bodies: []string{
			paymentNow("p", "49.00", "Approved"), paymentNow("p", "49.00", "PendingRefund"), paymentNow("p", "49.00", "Refunded"),
		}, Books: "due 49.00, PAID, refund FULL, captured 49.00, refunded 49.00"},
		{Name: "AmountToldLate", Bodies: []string{
			`{"merchant":{"generic1":"SO"},"payment":{"paymentId":"p","redirectUrl":"https://x"}}`,
			`{"merchant":{"generic1":"SO"},"payment":{"paymentId":"p"},"status":{"code":"Settled"}}`,
			paymentNow("p", "49.00", "Approved"),
		}, Books: "due 49.00, PAID, captured 49.00, settled 49.00, net 49.00"},
	})
}

// TestTranslate_RefundThatFailed: back at Approved in a body not seen before, the refund is over.
func TestTranslate_RefundThatFailed(t *testing.T) {
	t.Parallel()
	again := paymentNow("p", "49.00", "Approved") + "\n"
	state := gatewaytest.Fold(t, connectpay.New(), []string{
		paymentNow("p", "49.00", "Approved"), paymentNow("p", "49.00", "PendingRefund"), paymentNow("p", "49.00", "Approved"),
	})
	if got := state.RefundState(); got != order.RefundPending {
		t.Errorf("after the same Approved again: refund %s, want PENDING", got)
	}
	state = gatewaytest.Fold(t, connectpay.New(), []string{paymentNow("p", "49.00", "Approved"), paymentNow("p", "49.00", "PendingRefund"), again, again})
	if got := state.RefundState(); got != order.RefundNone {
		t.Errorf("after another Approved: refund %s, want NONE", got)
	}
}
