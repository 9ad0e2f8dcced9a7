// Package provenance is which event a row of the views is of: the newest one that it shows, in the
// stream of its order.
package provenance

import (
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/internal/pgcopy"
)

// Event is the newest event that a row shows.
type Event struct {
	// Revision counts the events of the order's stream from 0; Position is the commit position in the log, 0 where it
	// is not told.
	Revision uint64    `json:"revision"`
	Position uint64    `json:"position,omitempty"`
	EventID  uuid.UUID `json:"event_id"`
}

// Of is what a row says of an event.
func Of(r order.Ref) Event { return Event{Revision: r.Revision, Position: r.Position, EventID: r.ID} }

// Columns collects the columns revision, position and event_id of rows. The zero value is empty.
type Columns struct {
	Revision, Position []int64
	EventID            [][16]byte
}

// Add appends what one row says.
func (c *Columns) Add(r order.Ref) {
	c.Revision = append(c.Revision, int64(r.Revision))
	c.Position = append(c.Position, int64(r.Position))
	c.EventID = append(c.EventID, r.ID)
}

// Write adds row i's three columns to a row of a table that is copied.
func (c *Columns) Write(t *pgcopy.Table, i int) {
	t.Bigint(c.Revision[i])
	t.Bigint(c.Position[i])
	t.UUID(c.EventID[i])
}
