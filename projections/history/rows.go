// Package history is the read model behind the view ledger.order_history, the audit trail: every
// event of every order as the log holds it, test and payout orders included, those that cannot be
// projected included.
package history

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
)

//go:embed copy.sql
var copySQL string

// Rows collects what ledger_data.order_history is to hold, in the binary form of COPY: this is the
// widest and fastest growing table, and COPY is the cheapest way into it, for PostgreSQL and for
// us. The zero value is empty.
type Rows struct {
	tuples []byte
	n      int
}

// Len counts the rows.
func (r *Rows) Len() int { return r.n }

// Reset empties the rows and keeps their memory.
func (r *Rows) Reset() { r.tuples, r.n = r.tuples[:0], 0 }

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

// The file format of COPY: a signature, flags and the length of a header extension, both zero;
// tuples; and the number of columns -1 as the end.
var (
	copyHeader  = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	copyTrailer = []byte{0xff, 0xff}
)

const (
	columns = 11
	// postgresEpoch is 2000-01-01 in microseconds of Unix time.
	postgresEpoch = 946_684_800_000_000
)

// Add appends the row of one event. Data and metadata are kept as the log holds them, byte for byte;
// what jsonb cannot hold is kept in base64, because the view shows them as jsonb.
func (r *Rows) Add(e *Entry) {
	ev := e.Event
	occurredAt, recordedAt, source, actor := ev.Created, ev.Created, "", ""
	if m := e.Metadata; m != nil {
		occurredAt, recordedAt, source, actor = m.OccurredAt, m.RecordedAt, m.Source, m.Actor
	}
	r.n++
	r.tuples = binary.BigEndian.AppendUint16(r.tuples, columns)
	r.text(storable.Text(e.OrderID))
	r.number(ev.Revision)
	r.number(ev.Position.Commit)
	r.length(len(ev.ID))
	r.tuples = append(r.tuples, ev.ID[:]...)
	r.text(storable.Text(ev.Type))
	r.time(occurredAt)
	r.time(recordedAt)
	r.text(storable.Text(source))
	r.text(storable.Text(actor))
	r.bytes(storable.JSON(ev.Data, e.Readable))
	r.bytes(storable.JSON(ev.Metadata, e.Readable))
}

func (r *Rows) length(n int) { r.tuples = binary.BigEndian.AppendUint32(r.tuples, uint32(n)) }

func (r *Rows) text(s string) {
	r.length(len(s))
	r.tuples = append(r.tuples, s...)
}

func (r *Rows) number(n uint64) {
	r.length(8)
	r.tuples = binary.BigEndian.AppendUint64(r.tuples, n)
}

func (r *Rows) time(t time.Time) { r.number(uint64(t.UnixMicro() - postgresEpoch)) }

func (r *Rows) bytes(b []byte) {
	r.length(len(b))
	r.tuples = append(r.tuples, b...)
}

// Copy writes all rows within the connection's transaction, in one round trip.
func (r *Rows) Copy(ctx context.Context, conn *pgconn.PgConn) error {
	if r.n == 0 {
		return nil
	}
	stream := io.MultiReader(bytes.NewReader(copyHeader), bytes.NewReader(r.tuples), bytes.NewReader(copyTrailer))
	tag, err := conn.CopyFrom(ctx, stream, copySQL)
	if err != nil {
		return fmt.Errorf("copy order history: %w", err)
	}
	if int(tag.RowsAffected()) != r.n {
		return fmt.Errorf("copy order history: %d of %d rows were written", tag.RowsAffected(), r.n)
	}
	return nil
}
