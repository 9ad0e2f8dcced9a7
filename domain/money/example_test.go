package money_test

import (
	"fmt"

	"github.com/order-ledger/order-ledger/domain/money"
)

func ExampleMoney_Add() {
	captured := money.MustParse("96.56", "EUR")
	total, err := money.Money{}.Add(captured)
	fmt.Println(total.Format(), err)

	_, err = captured.Add(money.MustParse("1500", "JPY"))
	fmt.Println(money.Code(err), "-", err)
	// Output:
	// 96.56 EUR <nil>
	// currency_mismatch - currency mismatch: EUR with JPY
}

func ExampleParseToken() {
	yen := money.MustCurrency("JPY")
	for _, token := range []string{`1500.0`, `"1500"`, `1500.5`, `-1`, `15e2`} {
		amount, err := money.ParseToken([]byte(token), yen)
		if err != nil {
			fmt.Println(money.Code(err), "-", err)
			continue
		}
		fmt.Println(amount.Format())
	}
	// Output:
	// 1500 JPY
	// 1500 JPY
	// scale_violation - amount has 1 decimals, JPY has 0
	// negative_amount - amount is negative
	// amount_malformed - malformed amount: has an exponent
}

func ExampleSplit() {
	parts, err := money.Split(money.MustParse("100", "EUR"), 3)
	fmt.Println(parts[0], parts[1], parts[2], err)
	// Output: 33.34 33.33 33.33 <nil>
}
