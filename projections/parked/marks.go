package parked

import (
	_ "embed"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
)

var (
	//go:embed mark_orders.sql
	markOrdersSQL string
	//go:embed mark_test_orders.sql
	markTestOrdersSQL string
	//go:embed mark_payouts.sql
	markPayoutsSQL string
)

// Marks collects the orders of one category whose own row is to show the flag parked. The zero
// value is empty.
type Marks struct {
	orderID            []string
	recordedAt         []time.Time
	revision, position []int64
	eventID            [][16]byte
}

// Add marks the row of a parked order. An order that was parked before it had a row gets one, at the
// place of the event that could not be projected.
func (m *Marks) Add(o *Order) {
	m.orderID = append(m.orderID, storable.Text(o.OrderID))
	m.recordedAt = append(m.recordedAt, o.Since)
	m.revision = append(m.revision, int64(o.Revision))
	m.position = append(m.position, int64(o.Position))
	m.eventID = append(m.eventID, o.EventID)
}

// Queue adds the one statement that marks the rows. It is to run after the rows themselves are
// written.
func (m *Marks) Queue(b *pgx.Batch, c order.Category) {
	if len(m.orderID) == 0 {
		return
	}
	sql := markOrdersSQL
	switch c {
	case order.CategoryTestOrder:
		sql = markTestOrdersSQL
	case order.CategoryPayout:
		sql = markPayoutsSQL
	case order.CategoryOrder, order.CategoryReference, order.CategoryQuarantine:
	}
	b.Queue(sql, m.orderID, m.recordedAt, m.revision, m.position, m.eventID)
}
