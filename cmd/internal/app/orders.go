package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/cmd/internal/api"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/detail"
	"github.com/order-ledger/order-ledger/projections/orders"
	"github.com/order-ledger/order-ledger/projections/payouts"
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
	ids, err := idsOf(ctx, tx, name)
	switch {
	case err != nil:
		return OrderDetail{}, err
	case len(ids) == 0:
		return OrderDetail{}, fmt.Errorf("find order %q: %w", name, orders.ErrNotFound)
	case len(ids) > 1:
		return OrderDetail{}, &AmbiguousReferenceError{Reference: name, IDs: ids}
	}
	return detail.Read(ctx, tx, ids[0])
}

// idsOf are our ids of the orders and payout orders that a gateway knows by a name, or else of those that
// a merchant does.
func idsOf(ctx context.Context, tx pgx.Tx, name string) ([]string, error) {
	reader := orders.NewReader(tx)
	var found []orders.Order
	var ids []string
	for _, gateway := range config.Gateways() {
		bySource, err := reader.FindBySource(ctx, gateway, name)
		if err != nil {
			return nil, err
		}
		out, err := payouts.BySource(ctx, tx, gateway, name)
		if err != nil {
			return nil, err
		}
		found, ids = append(found, bySource...), append(ids, out...)
	}
	var err error
	if len(ids)+len(found) == 0 {
		if found, err = reader.FindByReference(ctx, name); err == nil {
			ids, err = payouts.ByReference(ctx, tx, name)
		}
	}
	for i := range found {
		ids = append(ids, found[i].ID)
	}
	slices.Sort(ids)
	return ids, err
}

// creation is what a gateway is told of an order that a command of ours asked for.
func (l *Ledger) creation(ctx context.Context, c order.Category, orderID, commandID string) (commands.GatewayOrder, error) {
	if l.Orders == nil {
		return commands.GatewayOrder{}, errors.New("this process takes no commands")
	}
	body, personal, err := l.Orders.Command(ctx, c, orderID, commandID)
	if err != nil {
		return commands.GatewayOrder{}, err
	}
	return api.Creation(body, personal)
}
