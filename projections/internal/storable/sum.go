package storable

import (
	"fmt"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Sum adds up amounts as they stand in rows, all of one currency. Without a currency nothing has
// happened yet, and the sum is the zero Money.
func Sum(texts []string, currency string) (money.Money, error) {
	var sum money.Money
	if currency == "" {
		return sum, nil
	}
	for _, text := range texts {
		m, err := ReadAmount(text, currency)
		if err != nil {
			return money.Money{}, err
		}
		if sum, err = sum.Add(m); err != nil {
			return money.Money{}, fmt.Errorf("add up amounts of rows: %w", err)
		}
	}
	return sum, nil
}
