package history

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
	//go:embed stored.sql
	storedSQL string
	//go:embed delete.sql
	deleteSQL string
	//go:embed delete_at.sql
	deleteAtSQL string
)

// Line is one row of the table, as it is kept and not as the view shows it: Data is the log's own bytes where PostgreSQL can hold
// them, and Metadata too, or without names. Lines are compared with ==.
type Line struct {
	Revision, Position     uint64
	EventID                uuid.UUID
	EventType              string
	OccurredAt, RecordedAt time.Time // UTC, microseconds
	Source, Actor          string
	Data, Metadata         string
}

// LineOf is the row that Rows.Add makes of an event.
func LineOf(e *Entry) Line {
	ev := e.Event
	line := Line{
		Revision: ev.Revision, Position: ev.Position.Commit, EventID: ev.ID, EventType: storable.Text(ev.Type),
		OccurredAt: storable.ShownTime(ev.Created), RecordedAt: storable.ShownTime(ev.Created),
		Data: string(storable.JSON(ev.Data, e.Readable)),
	}
	if m := e.Metadata; m != nil {
		line.OccurredAt, line.RecordedAt = storable.ShownTime(m.OccurredAt), storable.ShownTime(m.RecordedAt)
		line.Source, line.Actor = storable.Text(m.Source), storable.Text(m.Actor)
	}
	line.Metadata = string(e.envelope(nil, line.Source, line.Actor))
	return line
}

// Stored returns all rows of an order, in the order of its revisions.
func Stored(ctx context.Context, db Querier, orderID string) ([]Line, error) {
	rows, err := db.Query(ctx, storedSQL, storable.Text(orderID))
	if err != nil {
		return nil, fmt.Errorf("read the stored history of order %q: %w", orderID, err)
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Line, error) {
		var l Line
		err := row.Scan(&l.Revision, &l.Position, &l.EventID, &l.EventType, &l.OccurredAt, &l.RecordedAt, &l.Source, &l.Actor,
			&l.Data, &l.Metadata)
		l.OccurredAt, l.RecordedAt = l.OccurredAt.UTC(), l.RecordedAt.UTC()
		if short, ok := appendEnvelope(nil, []byte(l.Metadata), l.Source, l.Actor); ok { // of an earlier version
			l.Metadata = string(short)
		}
		return l, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the stored history of order %q: %w", orderID, err)
	}
	return lines, nil
}

// QueueDelete adds the statement that forgets the events of one order up to a commit position.
func QueueDelete(b *pgx.Batch, orderID string, upTo uint64) {
	b.Queue(deleteSQL, storable.Text(orderID), int64(upTo))
}

// DeleteAt forgets what stands at some commit positions, so that the events that the log has there can be written.
func DeleteAt(ctx context.Context, tx pgx.Tx, positions []int64) error {
	if _, err := tx.Exec(ctx, deleteAtSQL, positions); err != nil {
		return fmt.Errorf("forget %d events of the history: %w", len(positions), err)
	}
	return nil
}
