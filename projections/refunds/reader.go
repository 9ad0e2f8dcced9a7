package refunds

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

// Refund is one row of ledger.refunds. Times are UTC.
type Refund struct {
	OrderID        string             `json:"order_id"`
	ID             string             `json:"refund_id"`
	PaymentID      string             `json:"payment_id,omitempty"`
	SourceRefundID string             `json:"source_refund_id,omitempty"`
	Status         order.RefundStatus `json:"status"`
	Amount         *money.Money       `json:"amount"` // nil while unknown
	ReasonCode     string             `json:"reason_code,omitempty"`
	// InitiatedAt is nil when the refund was never announced, ResolvedAt while it is open.
	InitiatedAt    *time.Time `json:"initiated_at"`
	ResolvedAt     *time.Time `json:"resolved_at"`
	LastRecordedAt time.Time  `json:"last_recorded_at"`

	provenance.Event
}

// Querier is a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// OfOrder returns the refunds of an order, oldest news first. An order that is not known has none.
func OfOrder(ctx context.Context, db Querier, orderID string) ([]Refund, error) {
	rows, err := db.Query(ctx, ofOrderSQL, orderID)
	if err != nil {
		return nil, fmt.Errorf("read the refunds of order %q: %w", orderID, err)
	}
	found, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("read the refunds of order %q: %w", orderID, err)
	}
	return found, nil
}

func scan(row pgx.CollectableRow) (Refund, error) {
	var (
		f        Refund
		currency string
		amount   *string
	)
	err := row.Scan(&f.OrderID, &f.ID, &f.PaymentID, &f.SourceRefundID, &f.Status, &currency, &amount, &f.ReasonCode,
		&f.InitiatedAt, &f.ResolvedAt, &f.LastRecordedAt, &f.Revision, &f.Position, &f.EventID)
	if err != nil {
		return Refund{}, err
	}
	f.InitiatedAt, f.ResolvedAt = storable.UTC(f.InitiatedAt), storable.UTC(f.ResolvedAt)
	f.LastRecordedAt = f.LastRecordedAt.UTC()
	f.Amount, err = storable.ReadKnownAmount(amount, currency)
	return f, err
}
