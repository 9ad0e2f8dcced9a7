// Package invariant holds what must be true of every order after every event, whatever gateways
// report: what contradicts itself is flagged (design D4), what cannot be is parked (design D12).
package invariant

import (
	"fmt"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// BreachError says which invariant does not hold.
type BreachError struct{ Detail string }

func (e *BreachError) Error() string { return "invariant breached: " + e.Detail }

// Check returns a *BreachError for the first invariant that an order's state breaks: no balance is
// negative, and all are in the order's one currency.
func Check(s *order.State) error {
	b := s.Balances()
	for _, balance := range [...]struct {
		name   order.Balance
		amount money.Money
	}{
		{order.BalanceCaptured, b.Captured}, {order.BalanceSettled, b.Settled}, {order.BalanceExternal, b.External},
		{order.BalanceReversed, b.Reversed}, {order.BalanceAuthorised, b.Authorised}, {order.BalanceExpected, b.Expected},
		{order.BalanceRefundPending, b.RefundPending}, {order.BalanceRefunded, b.Refunded},
		{order.BalanceDisputeHeld, b.DisputeHeld}, {order.BalanceDisputeLost, b.DisputeLost},
	} {
		if balance.amount.IsNegative() {
			return &BreachError{Detail: fmt.Sprintf("balance %s is negative: %s", balance.name, balance.amount.Format())}
		}
		if c := balance.amount.Currency(); !c.IsZero() && c != s.Currency {
			return &BreachError{Detail: fmt.Sprintf("balance %s is in %s, the order in %s", balance.name, c, s.Currency)}
		}
	}
	return nil
}
