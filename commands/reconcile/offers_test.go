package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
	"github.com/order-ledger/order-ledger/domain/order"
)

// TestOffers_RefundByMethod: ConnectPay's refund API is for cards and wallets; a payment from a bank account
// is refunded by hand.
func TestOffers_RefundByMethod(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]bool{"CARD": true, "ApplePay": true, "PIS": false} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			w := setup(t, false)
			if _, err := w.intake.Accept(t.Context(), commands.Notification{
				Gateway: fakegateway.ConnectPay, Account: "default", Via: commands.ViaWebhook, Verified: "none",
				Body: fmt.Appendf(nil, `{"merchant":{"generic1":"SO-1"},"payment":{"paymentId":"p-1","paymentMethod":%q,
					"instructedAmount":{"amount":"49.00","currency":"EUR"}},"status":{"code":"Approved","isTerminal":true}}`, method),
			}); err != nil {
				t.Fatal(err)
			}
			s := w.orders(t)[fakegateway.ConnectPay]
			if got := w.reconciler.Offers(s.Source, s.SourceAccount, order.ActionRefund, s.Payments[0].Method); got != want {
				t.Errorf("a refund of a payment by %q is offered: %t", s.Payments[0].Method, got)
			}
		})
	}
}
