package order

import (
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

// SettlementMatched says that a line of a statement confirms a movement of the order's money. Of a refund or
// chargeback it means that the gateway kept it back from what it paid out. What it adds about payments and
// fees stands in PaymentSettled and FeeCharged beside it.
type SettlementMatched struct {
	StatementID string          `json:"statement_id"`
	Line        int             `json:"line"`
	Kind        settlement.Kind `json:"kind"`
	// Movement names the movement within the order; see State.Movements.
	Movement  string `json:"movement"`
	PaymentID string `json:"payment_id,omitempty"`
	RefundID  string `json:"refund_id,omitempty"`
	DisputeID string `json:"dispute_id,omitempty"`
	Reference string `json:"reference,omitempty"`
	// SettlementRef is the gateway's name for the payout that it was part of.
	SettlementRef string       `json:"settlement_ref,omitempty"`
	Amount        money.Money  `json:"amount"`
	Fee           *money.Money `json:"fee,omitempty"`
	Net           *money.Money `json:"net,omitempty"`
	ValueDate     string       `json:"value_date"`
	// Parts: so many lines make the movement up together.
	Parts int `json:"parts,omitempty"`
	// FeeKind is what the fee was for that a fee_reversal gives back, where another line charged it beside what it is about;
	// see FeeCharged.
	FeeKind string `json:"fee_kind,omitempty"`
	// External: the refund is of money that was received outside the gateway, and the account of the statement paid it.
	External bool `json:"external,omitempty"`
	// Exchange: Amount came to this where the account is in another currency. The balance of the order is in its own.
	Exchange *settlement.Exchange `json:"exchange,omitempty"`
}

// SettlementMismatchFlagged says that a line of a statement does not agree with what is booked. It moves
// nothing. It stands on the order's stream, or on that of the statement when no order is known.
type SettlementMismatchFlagged struct {
	StatementID string            `json:"statement_id"`
	Line        int               `json:"line"`
	Kind        settlement.Kind   `json:"kind"`
	Reason      settlement.Reason `json:"reason"`
	// Movement is the one that comes nearest, and Booked its amount; empty when there is none.
	Movement  string       `json:"movement,omitempty"`
	Booked    *money.Money `json:"booked,omitempty"`
	Reference string       `json:"reference,omitempty"`
	Amount    money.Money  `json:"amount"`
	ValueDate string       `json:"value_date"`
}

// EventType is the stored type name.
func (SettlementMatched) EventType() string { return "SettlementMatched" }

// EventType is the stored type name.
func (SettlementMismatchFlagged) EventType() string { return "SettlementMismatchFlagged" }

func (SettlementMatched) isEvent()         {}
func (SettlementMismatchFlagged) isEvent() {}
