// Package history is the read model behind the view ledger.order_history, the audit trail: every
// event of every order as the log holds it, test and payout orders included, those that cannot be
// projected included.
package history

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/internal/pgcopy"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/parts"
)

//go:embed copy.sql
var copySQL string

// Rows collects what ledger_data.order_history is to hold. It is written by COPY: this is the widest and
// fastest growing table. The zero value is empty.
type Rows struct {
	table    pgcopy.Table
	envelope []byte // of the newest row; its memory is used again
}

// Len counts the rows.
func (r *Rows) Len() int { return r.table.Len() }

// Reset empties the rows and keeps their memory.
func (r *Rows) Reset() { r.table.Reset() }

// Entry is one event for the audit trail.
type Entry struct {
	OrderID string
	Event   *eventstore.RecordedEvent
	// Metadata is the decoded envelope. It is nil when it cannot be decoded: the times are then the
	// log's own.
	Metadata *order.Metadata
	// Readable says that Data and Metadata are known to be valid JSON.
	Readable bool
}

const columns = 11

// envelope appends the metadata as the table keeps it.
func (e *Entry) envelope(to []byte, source, actor string) []byte {
	encoded := e.Event.Metadata
	if !e.Readable {
		encoded = storable.JSON(encoded, false)
	}
	if to, ok := appendEnvelope(to, encoded, source, actor); ok {
		return to
	}
	return append(to, storable.JSON(encoded, true)...)
}

// Add appends the row of one event. Data is kept as the log holds it, byte for byte, and metadata as that or without its names;
// what jsonb cannot hold is kept in base64, because the view shows them as jsonb.
func (r *Rows) Add(e *Entry) {
	ev := e.Event
	occurredAt, recordedAt, source, actor := ev.Created, ev.Created, "", ""
	if m := e.Metadata; m != nil {
		occurredAt, recordedAt, source, actor = m.OccurredAt, m.RecordedAt, m.Source, m.Actor
	}
	source, actor = storable.Text(source), storable.Text(actor)
	t := &r.table
	t.Row(columns)
	t.Text(storable.Text(e.OrderID))
	t.Bigint(int64(ev.Revision))
	t.Bigint(int64(ev.Position.Commit))
	t.UUID(ev.ID)
	t.Text(storable.Text(ev.Type))
	t.Time(occurredAt)
	t.Time(recordedAt)
	t.Text(source)
	t.Text(actor)
	t.Bytes(storable.JSON(ev.Data, e.Readable))
	r.envelope = e.envelope(r.envelope[:0], source, actor)
	t.Bytes(r.envelope)
}

// Copy writes all rows within the connection's transaction, in one round trip or with a rest between pieces.
func (r *Rows) Copy(ctx context.Context, conn *pgconn.PgConn, rest pgcopy.Rest) error {
	if err := r.table.Copy(ctx, conn, copySQL, rest); err != nil {
		return fmt.Errorf("order history: %w", err)
	}
	return nil
}

// Fill writes all rows, which are of orders of one part, into that part, which the connection's transaction emptied.
func (r *Rows) Fill(ctx context.Context, conn *pgconn.PgConn, part int, rest pgcopy.Rest) error {
	if err := r.table.Copy(ctx, conn, parts.Filling(copySQL, "order_history", part), rest); err != nil {
		return fmt.Errorf("order history: %w", err)
	}
	return nil
}
