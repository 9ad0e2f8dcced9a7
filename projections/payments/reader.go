package payments

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/provenance"
)

//go:embed of_order.sql
var ofOrderSQL string

// Payment is one row of ledger.payments. Amounts are the zero Money while the order's currency is not
// known.
type Payment struct {
	OrderID         string              `json:"order_id"`
	ID              string              `json:"payment_id"`
	SourcePaymentID string              `json:"source_payment_id,omitempty"`
	Method          string              `json:"method,omitempty"`
	Status          order.PaymentStatus `json:"status"`
	Amount          *money.Money        `json:"amount"` // nil while unknown
	Captured        money.Money         `json:"captured"`
	Settled         money.Money         `json:"settled"`
	ReasonCode      string              `json:"reason_code,omitempty"`
	LastOccurredAt  time.Time           `json:"last_occurred_at"`

	provenance.Event
}

// Querier is a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// OfOrder returns the payments of an order, oldest news first. An order that is not known has none.
func OfOrder(ctx context.Context, db Querier, orderID string) ([]Payment, error) {
	rows, err := db.Query(ctx, ofOrderSQL, orderID)
	if err != nil {
		return nil, fmt.Errorf("read the payments of order %q: %w", orderID, err)
	}
	found, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("read the payments of order %q: %w", orderID, err)
	}
	return found, nil
}

func scan(row pgx.CollectableRow) (Payment, error) {
	var (
		p                 Payment
		currency          string
		amount            *string
		captured, settled string
	)
	err := row.Scan(&p.OrderID, &p.ID, &p.SourcePaymentID, &p.Method, &p.Status, &currency, &amount, &captured, &settled,
		&p.ReasonCode, &p.LastOccurredAt, &p.Revision, &p.Position, &p.EventID)
	p.LastOccurredAt = p.LastOccurredAt.UTC()
	if err != nil || currency == "" {
		return p, err
	}
	if p.Amount, err = storable.ReadKnownAmount(amount, currency); err != nil {
		return Payment{}, err
	}
	if p.Captured, err = storable.ReadAmount(captured, currency); err != nil {
		return Payment{}, err
	}
	p.Settled, err = storable.ReadAmount(settled, currency)
	return p, err
}
