package history

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

var (
	//go:embed of_order.sql
	ofOrderSQL string
	//go:embed last.sql
	lastSQL string
)

// Event is one row of ledger.order_history. Times are UTC.
type Event struct {
	OrderID    string          `json:"order_id"`
	Revision   uint64          `json:"revision"`
	Position   uint64          `json:"position"`
	EventID    uuid.UUID       `json:"event_id"`
	EventType  string          `json:"event_type"`
	OccurredAt time.Time       `json:"occurred_at"`
	RecordedAt time.Time       `json:"recorded_at"`
	Source     string          `json:"source"`
	Actor      string          `json:"actor"`
	Data       json.RawMessage `json:"data"`
	Metadata   json.RawMessage `json:"metadata"`
}

// Querier is a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Reader reads the audit trail from the public view.
type Reader struct{ db Querier }

// NewReader makes a Reader.
func NewReader(db Querier) *Reader { return &Reader{db: db} }

// OfOrder returns the events of an order from a revision on, oldest first, at most limit of them:
// the next page begins after the last revision of this one. An order that is not known has none.
func (r *Reader) OfOrder(ctx context.Context, orderID string, from uint64, limit int) ([]Event, error) {
	rows, err := r.db.Query(ctx, ofOrderSQL, orderID, int64(from), limit)
	if err != nil {
		return nil, fmt.Errorf("read the history of order %q: %w", orderID, err)
	}
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Event, error) {
		var e Event
		err := row.Scan(&e.OrderID, &e.Revision, &e.Position, &e.EventID, &e.EventType, &e.OccurredAt, &e.RecordedAt,
			&e.Source, &e.Actor, &e.Data, &e.Metadata)
		e.OccurredAt, e.RecordedAt = e.OccurredAt.UTC(), e.RecordedAt.UTC()
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the history of order %q: %w", orderID, err)
	}
	return events, nil
}

// Last returns the commit position and the id of the newest event of the audit trail, and false
// when there is none.
func Last(ctx context.Context, db Querier) (position uint64, id uuid.UUID, found bool, err error) {
	rows, err := db.Query(ctx, lastSQL)
	if err != nil {
		return 0, uuid.Nil, false, fmt.Errorf("read the newest event of the history: %w", err)
	}
	_, err = pgx.ForEachRow(rows, []any{&position, &id}, func() error {
		found = true
		return nil
	})
	if err != nil {
		return 0, uuid.Nil, false, fmt.Errorf("read the newest event of the history: %w", err)
	}
	return position, id, found, nil
}
