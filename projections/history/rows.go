// Package history is the read model behind the view ledger.order_history, the audit trail: every
// event of every order as the log holds it, test and payout orders included, those that cannot be
// projected included.
package history

import (
	_ "embed"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
)

//go:embed insert.sql
var insertSQL string

// Rows collects what ledger_data.order_history is to hold, column by column. The zero value is empty.
type Rows struct {
	orderID, eventType, source, actor []string
	revision, position                []int64
	eventID                           [][16]byte
	occurredAt, recordedAt            []time.Time
	data, metadata                    [][]byte
}

// Len counts the rows.
func (r *Rows) Len() int { return len(r.orderID) }

// Entry is one event for the audit trail.
type Entry struct {
	OrderID string
	Event   *eventstore.RecordedEvent
	// Metadata is the decoded envelope. It is nil when it cannot be decoded: the times are then the
	// log's own.
	Metadata *order.Metadata
	// Readable says that Data and Metadata are known to be valid JSON.
	Readable bool
	// Wrap says that PostgreSQL refused Data or Metadata as jsonb: they are stored in base64.
	Wrap bool
}

// Add appends the row of one event. Data and metadata are kept as the log holds them, byte for byte
// until jsonb takes them; what jsonb cannot hold is kept in base64.
func (r *Rows) Add(e *Entry) {
	ev := e.Event
	occurredAt, recordedAt, source, actor := ev.Created, ev.Created, "", ""
	if m := e.Metadata; m != nil {
		occurredAt, recordedAt, source, actor = m.OccurredAt, m.RecordedAt, m.Source, m.Actor
	}
	r.orderID = append(r.orderID, storable.Text(e.OrderID))
	r.revision = append(r.revision, int64(ev.Revision))
	r.position = append(r.position, int64(ev.Position.Commit))
	r.eventID = append(r.eventID, ev.ID)
	r.eventType = append(r.eventType, storable.Text(ev.Type))
	r.occurredAt = append(r.occurredAt, occurredAt)
	r.recordedAt = append(r.recordedAt, recordedAt)
	r.source = append(r.source, storable.Text(source))
	r.actor = append(r.actor, storable.Text(actor))
	if e.Wrap {
		r.data = append(r.data, storable.Unreadable(ev.Data))
		r.metadata = append(r.metadata, storable.Unreadable(ev.Metadata))
		return
	}
	r.data = append(r.data, storable.JSON(ev.Data, e.Readable))
	r.metadata = append(r.metadata, storable.JSON(ev.Metadata, e.Readable))
}

// Queue adds the one statement that writes all rows.
func (r *Rows) Queue(b *pgx.Batch) {
	if r.Len() == 0 {
		return
	}
	b.Queue(insertSQL, r.orderID, r.revision, r.position, r.eventID, r.eventType,
		r.occurredAt, r.recordedAt, r.source, r.actor, r.data, r.metadata)
}
