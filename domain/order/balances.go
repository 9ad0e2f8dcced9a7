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

// PaymentState is the public answer to "is it paid?".
type PaymentState string

// States of payment.
const (
	Unpaid        PaymentState = "UNPAID"
	PartiallyPaid PaymentState = "PARTIALLY_PAID"
	Paid          PaymentState = "PAID"
)

// RefundState is the public answer to "was it refunded?".
type RefundState string

// States of refunding.
const (
	RefundNone    RefundState = "NONE"
	RefundPending RefundState = "PENDING"
	RefundPartial RefundState = "PARTIAL"
	RefundFull    RefundState = "FULL"
)

// DisputeState is the public answer to "is it disputed?".
type DisputeState string

// States of dispute.
const (
	DisputeNone    DisputeState = "NONE"
	DisputeInquiry DisputeState = "INQUIRY"
	DisputeOpen    DisputeState = "OPEN"
	DisputeWon     DisputeState = "WON"
	DisputeLost    DisputeState = "LOST"
	DisputeMixed   DisputeState = "MIXED"
)
