package connectpay_test

import (
	"fmt"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/connectpay"
)

func Example() {
	translation := connectpay.New().Translate(commands.Notification{Gateway: "connectpay", Account: "default", Body: []byte(
		`{"merchant":{"generic1":"SO-417"},"payment":{"paymentId":"0740","paymentMethod":"PIS",
		"instructedAmount":{"amount":"49.00","currency":"EUR"},"debtorAccount":{"iban":"LT60"}},
		"consumer":{"name":"Ada Byron"},"status":{"code":"Settled","isTerminal":true}}`)})
	fmt.Println(translation.SourcePaymentIDs, translation.MerchantReferences)
	for _, fact := range translation.Facts {
		fmt.Printf("%T\n", fact)
	}
	fmt.Println(string(translation.Evidence))
	// Output:
	// [0740] [SO-417]
	// order.PaymentSeen
	// order.RefundWord
	// order.Settled
	// {"merchant":{"generic1":"SO-417"},"payment":{"paymentId":"0740","paymentMethod":"PIS","instructedAmount":{"amount":"49.00","currency":"EUR"}},"status":{"code":"Settled","isTerminal":true}}
}
