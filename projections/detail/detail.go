// Package detail is an order with all its parts, as the views show it: read from them, or worked
// out from the order's state without a database.
package detail

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/disputes"
	"github.com/order-ledger/order-ledger/projections/orders"
	"github.com/order-ledger/order-ledger/projections/payments"
	"github.com/order-ledger/order-ledger/projections/payouts"
	"github.com/order-ledger/order-ledger/projections/refunds"
)

// Order is an order with all its parts. Exactly one of Order and Payout is set.
type Order struct {
	Order    *orders.Order      `json:"order,omitempty"`
	Payout   *payouts.Payout    `json:"payout,omitempty"`
	Payments []payments.Payment `json:"payments"`
	Refunds  []refunds.Refund   `json:"refunds"`
	Disputes []disputes.Dispute `json:"disputes"`
}

// ID is our id of the order.
func (o *Order) ID() string {
	if o.Payout != nil {
		return o.Payout.OrderID
	}
	return o.Order.ID
}

// Revision and Position are those of the newest event that the order shows.
func (o *Order) Revision() uint64 {
	if o.Payout != nil {
		return o.Payout.Revision
	}
	return o.Order.Revision
}

// Position is the commit position of the newest event that the order shows.
func (o *Order) Position() uint64 {
	if o.Payout != nil {
		return o.Payout.Position
	}
	return o.Order.Position
}

// LastRecordedAt is when the ledger last learnt something of the order, UTC.
func (o *Order) LastRecordedAt() time.Time {
	if o.Payout != nil {
		return o.Payout.LastRecordedAt
	}
	return o.Order.LastRecordedAt
}

// Open tells whether something is still to come: money that is due, a refund or a dispute under way.
func (o *Order) Open() bool {
	if o.Payout != nil {
		return o.Payout.State == order.PayoutStateRequested || o.Payout.State == order.PayoutStateProcessing
	}
	closed := o.Order.Lifecycle != order.LifecycleOpen && o.Order.Lifecycle != order.LifecycleOverdue
	return o.Order.PaymentState != order.Paid && !closed || !o.Order.RefundPending.IsZero() || o.Order.DisputeState == order.DisputeOpen
}

// Flags are the order's flags, sorted.
func (o *Order) Flags() []order.Flag {
	if o.Payout != nil {
		return o.Payout.Flags
	}
	return o.Order.Flags
}

// Flag adds a flag.
func (o *Order) Flag(f order.Flag) {
	var flags *[]order.Flag
	if o.Payout != nil {
		flags = &o.Payout.Flags
	} else {
		flags = &o.Order.Flags
	}
	if i, found := slices.BinarySearch(*flags, f); !found {
		*flags = slices.Insert(*flags, i, f)
	}
}

// Category is where the order's stream is.
func (o *Order) Category() order.Category {
	switch {
	case o.Payout != nil:
		return order.CategoryPayout
	case o.Order.Test:
		return order.CategoryTestOrder
	}
	return order.CategoryOrder
}

// Of is what the views say about an order of a category in this state, worked out without a
// database. Test and payout orders have no parts, as in the views.
func Of(c order.Category, id string, s *order.State) Order {
	o := Order{Payments: []payments.Payment{}, Refunds: []refunds.Refund{}, Disputes: []disputes.Dispute{}}
	switch c {
	case order.CategoryPayout:
		payout := payouts.Of(id, s)
		o.Payout = &payout
	case order.CategoryTestOrder:
		shown := orders.Of(id, s, true)
		o.Order = &shown
	case order.CategoryOrder, order.CategoryReference, order.CategoryQuarantine:
		shown := orders.Of(id, s, false)
		o.Order = &shown
		o.Payments, o.Refunds, o.Disputes = payments.Of(id, s), refunds.Of(id, s), disputes.Of(id, s)
	}
	return o
}

// HidePositions leaves out where in the log the events of the parts stand, which whoever has just appended some does
// not know.
func (o *Order) HidePositions() {
	for i := range o.Payments {
		o.Payments[i].Event.Position = 0
	}
	for i := range o.Refunds {
		o.Refunds[i].Event.Position = 0
	}
	for i := range o.Disputes {
		o.Disputes[i].Event.Position = 0
		for j := range o.Disputes[i].Timeline {
			o.Disputes[i].Timeline[j].Event.Position = 0
		}
	}
}

// Read returns the order with our id, of whatever category, as the views show it, or
// orders.ErrNotFound. tx should be a snapshot (repeatable read), or the parts may be of two moments.
func Read(ctx context.Context, tx pgx.Tx, id string) (Order, error) {
	found, err := orders.NewReader(tx).Get(ctx, id)
	if err == nil {
		return WithParts(ctx, tx, found)
	}
	if !errors.Is(err, orders.ErrNotFound) {
		return Order{}, err
	}
	payout, payoutErr := payouts.Get(ctx, tx, id)
	if payoutErr == nil {
		return Order{
			Payout: &payout, Payments: []payments.Payment{}, Refunds: []refunds.Refund{}, Disputes: []disputes.Dispute{},
		}, nil
	}
	if errors.Is(payoutErr, payouts.ErrNotFound) {
		return Order{}, err
	}
	return Order{}, payoutErr
}

// WithParts adds the parts to an order that was read in the same snapshot.
func WithParts(ctx context.Context, tx pgx.Tx, o orders.Order) (Order, error) {
	d := Order{Order: &o, Disputes: []disputes.Dispute{}}
	var err error
	if d.Payments, err = payments.OfOrder(ctx, tx, o.ID); err != nil {
		return Order{}, err
	}
	if d.Refunds, err = refunds.OfOrder(ctx, tx, o.ID); err != nil {
		return Order{}, err
	}
	found, err := disputes.OfOrder(ctx, tx, o.ID)
	if err != nil {
		return Order{}, err
	}
	d.Disputes = append(d.Disputes, found...)
	return d, nil
}
