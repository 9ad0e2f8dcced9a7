package everifin_test

import (
	"fmt"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/everifin"
)

func Example() {
	translation := everifin.New().Translate(commands.Notification{Gateway: "everifin", Account: "default", Body: []byte(
		`{"eventId":"4e89","eventType":"payment.statusChange","eventTimestamp":"2026-11-20T10:05:59.895Z",
		"data":{"paymentId":"372f","orderId":"bf4f","externalId":"SO-417","status":"BOOKED","hookData":{"buyer":"Ada"}}}`)})
	fmt.Println(translation.SourceOrderID, translation.SourcePaymentIDs, translation.MerchantReferences)
	for _, fact := range translation.Facts {
		fmt.Printf("%T\n", fact)
	}
	fmt.Println(string(translation.Evidence))
	// Output:
	// bf4f [372f] [SO-417]
	// order.PaymentSeen
	// order.Captured
	// order.Settled
	// {"eventId":"4e89","eventType":"payment.statusChange","eventTimestamp":"2026-11-20T10:05:59.895Z","data":{"paymentId":"372f","orderId":"bf4f","externalId":"SO-417","status":"BOOKED"}}
}
