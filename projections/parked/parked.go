// Package parked keeps the orders that cannot be projected: the event that the fold or PostgreSQL
// refused, why, and how many later events are held back behind it.
package parked

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/internal/storable"
)

var (
	//go:embed upsert.sql
	upsertSQL string
	//go:embed list.sql
	listSQL string
	//go:embed of_order.sql
	ofOrderSQL string
	//go:embed delete.sql
	deleteSQL string
	//go:embed reason.sql
	reasonSQL string
	//go:embed clear_rows.sql
	clearRowsSQL string
	//go:embed clear_orders.sql
	clearOrdersSQL string
)

// Order is one parked order.
type Order struct {
	Stream  string `json:"stream"`
	OrderID string `json:"order_id"`
	// Revision, Position, EventID and EventType name the event that could not be projected.
	Revision  uint64    `json:"revision"`
	Position  uint64    `json:"position"` // commit position
	EventID   uuid.UUID `json:"event_id"`
	EventType string    `json:"event_type"`
	// Reason says why, for people.
	Reason string `json:"reason"`
	// Since is when that event was stored, UTC: like all times of read models it is not the time of
	// the projecting.
	Since time.Time `json:"since"`
	// HeldBack counts the later events of the order that wait behind it.
	HeldBack int64 `json:"held_back"`
}

// Rows collects what ledger_data.parked_orders is to hold. The zero value is empty.
type Rows struct {
	stream, orderID, eventType, reason []string
	revision, position, heldBack       []int64
	eventID                            [][16]byte
	since                              []time.Time
}

// Add appends the row of one order. An order may be added once.
func (r *Rows) Add(o *Order) {
	r.stream = append(r.stream, storable.Text(o.Stream))
	r.orderID = append(r.orderID, storable.Text(o.OrderID))
	r.revision = append(r.revision, int64(o.Revision))
	r.position = append(r.position, int64(o.Position))
	r.eventID = append(r.eventID, o.EventID)
	r.eventType = append(r.eventType, storable.Text(o.EventType))
	r.reason = append(r.reason, storable.Text(o.Reason))
	r.since = append(r.since, o.Since)
	r.heldBack = append(r.heldBack, o.HeldBack)
}

// Queue adds the one statement that writes all rows.
func (r *Rows) Queue(b *pgx.Batch) {
	if len(r.stream) == 0 {
		return
	}
	b.Queue(upsertSQL, r.stream, r.orderID, r.revision, r.position, r.eventID, r.eventType, r.reason,
		r.since, r.heldBack)
}

// QueueDelete adds the statement that forgets a parked order.
func QueueDelete(b *pgx.Batch, stream string) { b.Queue(deleteSQL, storable.Text(stream)) }

// QueueClear adds the statement that removes the payments, refunds and disputes of a live order.
func QueueClear(b *pgx.Batch, orderID string) { b.Queue(clearRowsSQL, storable.Text(orderID)) }

// QueueClearOrder adds the statement that removes the own row of an order of any category.
func QueueClearOrder(b *pgx.Batch, orderID string) { b.Queue(clearOrdersSQL, storable.Text(orderID)) }

// QueueReason adds the statement that tells why an order is still parked.
func QueueReason(b *pgx.Batch, stream, reason string) {
	b.Queue(reasonSQL, storable.Text(stream), storable.Text(reason))
}

// Querier is what List needs: a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// List returns all parked orders in the order in which they were parked.
func List(ctx context.Context, db Querier) ([]Order, error) {
	return query(ctx, db, listSQL)
}

// OfOrder returns the parked streams of one order: none, unless it is parked, and more than one only
// when a foreign client wrote to several.
func OfOrder(ctx context.Context, db Querier, orderID string) ([]Order, error) {
	return query(ctx, db, ofOrderSQL, storable.Text(orderID))
}

func query(ctx context.Context, db Querier, sql string, args ...any) ([]Order, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("list parked orders: %w", err)
	}
	orders, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Order, error) {
		var o Order
		err := row.Scan(&o.Stream, &o.OrderID, &o.Revision, &o.Position, &o.EventID, &o.EventType, &o.Reason,
			&o.Since, &o.HeldBack)
		return o, err
	})
	if err != nil {
		return nil, fmt.Errorf("list parked orders: %w", err)
	}
	return orders, nil
}
