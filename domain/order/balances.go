package order

import "github.com/order-ledger/order-ledger/domain/money"

// Balance names one balance of an order.
type Balance string

// The balances of an order, in its currency; none is ever negative.
const (
	BalanceAuthorised    Balance = "authorised"
	BalanceExpected      Balance = "expected"
	BalanceCaptured      Balance = "captured"
	BalanceSettled       Balance = "settled"
	BalanceExternal      Balance = "received_externally"
	BalanceReversed      Balance = "reversed"
	BalanceRefundPending Balance = "refund_pending"
	BalanceRefunded      Balance = "refunded"
	BalanceDisputeHeld   Balance = "dispute_held"
	BalanceDisputeLost   Balance = "dispute_lost"
)

// Balances are an order's totals. All but Net and Gross are >= 0.
type Balances struct {
	Authorised, Expected, Captured, Settled, External, Reversed money.Money
	RefundPending, Refunded, DisputeHeld, DisputeLost           money.Money
	// Gross is captured + external - reversed.
	Gross money.Money
	// Net is gross - refunded - dispute held - dispute lost.
	Net money.Money
	// Overpaid is what was paid above the amount due, if that is known.
	Overpaid money.Money
}
