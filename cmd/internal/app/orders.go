package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/projections/detail"
	"github.com/order-ledger/order-ledger/projections/orders"
)

// OrderDetail is an order with all its parts.
type OrderDetail = detail.Order

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
	found, err := detail.Read(ctx, tx, name)
	if err == nil || !errors.Is(err, orders.ErrNotFound) {
		return found, err
	}
	reader := orders.NewReader(tx)
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
		return detail.WithParts(ctx, tx, matches[0])
	}
	ambiguous := &AmbiguousReferenceError{Reference: name}
	for _, m := range matches {
		ambiguous.IDs = append(ambiguous.IDs, m.ID)
	}
	return OrderDetail{}, ambiguous
}
