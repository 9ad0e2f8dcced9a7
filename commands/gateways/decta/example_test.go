package decta_test

import (
	"fmt"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
)

func Example() {
	translation := decta.New().Translate(commands.Notification{Gateway: "decta", Account: "default", Body: []byte(
		`{"id":"6f2c","number":"SO-417","status":"paid","currency":"EUR","total":96.56,"paid":1795140012,"modified":1795140012,
		"client":{"email":"ada@example.com"},"transaction_details":{"method":"card","cardholder_name":"ADA BYRON"},
		"status_changes":[{"new_status":"issued","on":1795132800},{"new_status":"in_progress","on":1795139990},{"new_status":"paid","on":1795140012}]}`)})
	fmt.Println(translation.SourceOrderID, translation.MerchantReferences, translation.Registration.AmountDue.Format())
	for _, fact := range translation.Facts {
		fmt.Printf("%T\n", fact)
	}
	fmt.Println(string(translation.Evidence))
	// Output:
	// 6f2c [SO-417] 96.56 EUR
	// order.PaymentSeen
	// order.Issued
	// order.Processing
	// order.Totals
	// {"id":"6f2c","number":"SO-417","status":"paid","currency":"EUR","total":96.56,"paid":1795140012,"modified":1795140012,"transaction_details":{"method":"card"},"status_changes":[{"new_status":"issued","on":1795132800},{"new_status":"in_progress","on":1795139990},{"new_status":"paid","on":1795140012}]}
}
