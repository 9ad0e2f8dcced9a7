package cardguard_test

import (
	"fmt"

	"github.com/order-ledger/order-ledger/commands/gateways/cardguard"
)

func ExampleMask() {
	body := []byte(`{"order":417,"card_masked_pan":"411111******1111","note":"card 4111 1111 1111 1111","pan":4111111111111111}`)
	masked, n := cardguard.Mask(body)
	fmt.Println(n, string(masked))
	// Output:
	// 2 {"order":417,"card_masked_pan":"411111******1111","note":"card **** **** **** 1111","pan":"************1111"}
}
