package wire_test

import (
	"fmt"

	"github.com/order-ledger/order-ledger/commands/gateways/wire"
)

func Example() {
	body, err := wire.Parse([]byte(`{"id":"6f2c","currency":"EUR","total":96.560,"modified":1795140012,
		"client":{"email":"buyer@example.com"},"transaction_details":{"amount_refunded":-1}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	currency, _ := body.Get("currency").Currency()
	total, _ := body.Get("total").Money(currency)
	modified, _ := body.Get("modified").UnixTime()
	fmt.Println(total.Format(), modified)

	reversed, err := body.Get("transaction_details", "amount_reversed").Money(currency)
	fmt.Println(reversed, err)
	_, err = body.Get("transaction_details", "amount_refunded").Money(currency)
	fmt.Println(err)
	// Output:
	// 96.56 EUR 2026-11-20 02:00:12 +0000 UTC
	// <nil> <nil>
	// member transaction_details.amount_refunded is no amount: amount is negative
}

func ExampleAllowList_Redact() {
	list := wire.MustAllowList("id", "status", "status_changes.#.new_status")
	body, _ := wire.Parse([]byte(`{ "status": "paid", "id": "6f2c", "client": {"email": "buyer@example.com"},
		"status_changes": [ {"new_status": "issued", "by": "Ada"}, {"new_status": "paid"} ] }`))
	fmt.Println(string(list.Redact(body)))
	// Output: {"status":"paid","id":"6f2c","status_changes":[{"new_status":"issued"},{"new_status":"paid"}]}
}
