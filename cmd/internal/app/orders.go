package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/projections/disputes"
	"github.com/order-ledger/order-ledger/projections/orders"
	"github.com/order-ledger/order-ledger/projections/payments"
	"github.com/order-ledger/order-ledger/projections/payouts"
	"github.com/order-ledger/order-ledger/projections/refunds"
)

// OrderDetail is an order with all its parts. Exactly one of Order and Payout
// is set.
type OrderDetail struct {
	Order    *orders.Order      `json:"order,omitempty"`
	Payout   *payouts.Payout    `json:"payout,omitempty"`
	Payments []payments.Payment `json:"payments"`
	Refunds  []refunds.Refund   `json:"refunds"`
	Disputes []disputes.Dispute `json:"disputes"`
}

// ID is our id of the order.
func (d OrderDetail) ID() string {
	if d.Payout != nil {
		return d.Payout.OrderID
	}
	return d.Order.ID
}

// AmbiguousReferenceError says that several orders go by one name.
type AmbiguousReferenceError struct {
	Reference string
	IDs       []string
}

func (e *AmbiguousReferenceError) Error() string {
	return fmt.Sprintf("%d orders go by %q: %s", len(e.IDs), e.Reference, strings.Join(e.IDs, ", "))
}

// FindOrder finds an order by our id, by a gateway's id, or by the merchant's
// reference, in this order. It answers orders.ErrNotFound when there is none.
func FindOrder(ctx context.Context, tx pgx.Tx, name string) (OrderDetail, error) {
	reader := orders.NewReader(tx)
	found, err := reader.Get(ctx, name)
	if err == nil {
		return detail(ctx, tx, found)
	}
	if !errors.Is(err, orders.ErrNotFound) {
		return OrderDetail{}, err
	}
	payout, payoutErr := payouts.Get(ctx, tx, name)
	if payoutErr == nil {
		return OrderDetail{
			Payout: &payout, Payments: []payments.Payment{}, Refunds: []refunds.Refund{}, Disputes: []disputes.Dispute{},
		}, nil
	}
	if !errors.Is(payoutErr, payouts.ErrNotFound) {
		return OrderDetail{}, payoutErr
	}
	var matches []orders.Order
	for _, gateway := range config.Gateways() {
		bySource, err := reader.FindBySource(ctx, gateway, name)
		if err != nil {
			return OrderDetail{}, err
		}
		matches = append(matches, bySource...)
	}
	if len(matches) == 0 {
		if matches, err = reader.FindByReference(ctx, name); err != nil {
			return OrderDetail{}, err
		}
	}
	switch len(matches) {
	case 0:
		return OrderDetail{}, fmt.Errorf("find order %q: %w", name, orders.ErrNotFound)
	case 1:
		return detail(ctx, tx, matches[0])
	}
	ambiguous := &AmbiguousReferenceError{Reference: name}
	for _, m := range matches {
		ambiguous.IDs = append(ambiguous.IDs, m.ID)
	}
	return OrderDetail{}, ambiguous
}

func detail(ctx context.Context, tx pgx.Tx, o orders.Order) (OrderDetail, error) {
	d := OrderDetail{Order: &o, Disputes: []disputes.Dispute{}}
	var err error
	if d.Payments, err = payments.OfOrder(ctx, tx, o.ID); err != nil {
		return OrderDetail{}, err
	}
	if d.Refunds, err = refunds.OfOrder(ctx, tx, o.ID); err != nil {
		return OrderDetail{}, err
	}
	found, err := disputes.OfOrder(ctx, tx, o.ID)
	if err != nil {
		return OrderDetail{}, err
	}
	d.Disputes = append(d.Disputes, found...)
	return d, nil
}
