package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// Types of the events that tell what became of deliveries and subscribers.
const (
	DeliverySucceeded  = "WebhookDelivered"
	DeliveryFailed     = "WebhookAttemptFailed"
	DeliveryGivenUp    = "WebhookGivenUp"
	DeliveryRetried    = "WebhookRetried"
	DeliveryDiscarded  = "WebhookDiscarded"
	SubscriberAdded    = "WebhookSubscriberAdded"
	SubscriberDisabled = "WebhookSubscriberDisabled"
	SubscriberEnabled  = "WebhookSubscriberEnabled"
	SubscriberReset    = "WebhookSubscriberReset"
	SubscriberRemoved  = "WebhookSubscriberRemoved"
)

// Told is the data of those events. Who did it is the actor of their metadata: an operator, or "system".
type Told struct {
	Subscriber string     `json:"subscriber"`
	OrderID    string     `json:"order_id,omitempty"`
	EventID    string     `json:"event_id,omitempty"`
	Name       string     `json:"name,omitempty"`
	Attempt    int        `json:"attempt,omitempty"`
	Status     int        `json:"status,omitempty"`
	Problem    string     `json:"problem,omitempty"`
	NextAt     *time.Time `json:"next_at,omitempty"`
}

// system is the actor of what the ledger does by itself.
const system = "system"

// tell puts an event on its way to the log.
func tell(ctx context.Context, tx pgx.Tx, eventType, actor string, data Told, at time.Time) error {
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encode %s: %w", eventType, err)
	}
	_, err = tx.Exec(ctx, "INSERT INTO ledger_push.history (subscriber, type, data, at, actor) VALUES ($1, $2, $3, $4, $5)", data.Subscriber, eventType, text, at, actor)
	return err
}

// StreamPrefix is what the streams are named with that tell of deliveries.
const StreamPrefix = "webhook-"

// event is one that tells of deliveries.
func (p *Pusher) event(id uuid.UUID, o *outcomeRow) (eventstore.EventData, error) {
	metadata, err := json.Marshal(order.Metadata{
		LedgerID: id.String(), Schema: 1, OccurredAt: o.at.UTC(), OccurredAtBasis: order.BasisReceived, RecordedAt: p.c.Clock().UTC(), Source: "webhooks", Actor: o.actor,
	})
	if err != nil {
		return eventstore.EventData{}, fmt.Errorf("encode %s: %w", o.kind, err)
	}
	return eventstore.EventData{ID: id, Type: o.kind, JSON: true, Data: o.data, Metadata: metadata}, nil
}

// added sees to it that the log knows a subscriber, who gets what comes from there on, whenever the database
// can be reached.
func (p *Pusher) added(ctx context.Context, subscriber string) error {
	stream := StreamPrefix + subscriber
	expected := eventstore.NoStream
	for e, err := range p.c.Log.ReadStream(ctx, stream, eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1}) {
		switch {
		case errors.Is(err, eventstore.ErrStreamNotFound):
		case err != nil:
			return fmt.Errorf("read stream %q: %w", stream, err)
		case e.Type != SubscriberRemoved:
			return nil
		default:
			expected = eventstore.Revision(e.Revision)
		}
	}
	data, err := json.Marshal(Told{Subscriber: subscriber})
	if err != nil {
		return fmt.Errorf("add subscriber %s: %w", subscriber, err)
	}
	e, err := p.event(uuid.New(), &outcomeRow{kind: SubscriberAdded, data: data, at: p.c.Clock(), actor: system})
	if err != nil {
		return err
	}
	// When another process was faster, the next try reads what it appended.
	if _, err = p.c.Log.Append(ctx, stream, expected, e); err != nil {
		return fmt.Errorf("add subscriber %s: %w", subscriber, err)
	}
	return nil
}

// tellLog appends what became of deliveries to the log, in batches that a crash does not double: the ids of
// their events are made of the batch's own. Subscribers that are no longer configured are told of as well.
func (p *Pusher) tellLog(ctx context.Context) error {
	for ctx.Err() == nil {
		pool, err := p.pool()
		if err != nil {
			return err
		}
		rows, err := pool.Query(ctx, "SELECT DISTINCT subscriber FROM ledger_push.history ORDER BY subscriber")
		if err != nil {
			return fmt.Errorf("gather outcomes: %w", err)
		}
		subscribers, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("gather outcomes: %w", err)
		}
		for _, subscriber := range subscribers {
			if _, err := p.tellOf(ctx, pool, subscriber); err != nil {
				return err
			}
		}
		if len(subscribers) == 0 {
			pause(ctx, lookAgain)
		}
	}
	return nil
}

type outcomeRow struct {
	id    int64
	kind  string
	data  json.RawMessage
	at    time.Time
	actor string
}

// tellOf appends one batch of a subscriber; it tells how many events that were.
func (p *Pusher) tellOf(ctx context.Context, pool *pgxpool.Pool, subscriber string) (int, error) {
	var batch uuid.UUID
	// A batch that is not done yet comes first; otherwise the oldest rows become one.
	err := pool.QueryRow(ctx, `SELECT batch FROM ledger_push.history WHERE subscriber = $1 AND batch IS NOT NULL ORDER BY id LIMIT 1`, subscriber).Scan(&batch)
	if errors.Is(err, pgx.ErrNoRows) {
		batch = uuid.New()
		_, err = pool.Exec(ctx, `UPDATE ledger_push.history SET batch = $2 WHERE id IN (
			SELECT id FROM ledger_push.history WHERE subscriber = $1 AND batch IS NULL ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)`, subscriber, batch, historyRows)
	}
	if err != nil {
		return 0, fmt.Errorf("gather outcomes of %s: %w", subscriber, err)
	}
	rows, err := pool.Query(ctx, "SELECT id, type, data, at, actor FROM ledger_push.history WHERE batch = $1 ORDER BY id", batch)
	if err != nil {
		return 0, fmt.Errorf("gather outcomes of %s: %w", subscriber, err)
	}
	outcomes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o outcomeRow, err error) {
		return o, row.Scan(&o.id, &o.kind, &o.data, &o.at, &o.actor)
	})
	if err != nil || len(outcomes) == 0 {
		return 0, err
	}
	events := make([]eventstore.EventData, len(outcomes))
	for i := range outcomes {
		if events[i], err = p.event(uuid.NewSHA1(batch, fmt.Appendf(nil, "%d", outcomes[i].id)), &outcomes[i]); err != nil {
			return 0, err
		}
	}
	if _, err := p.c.Log.Append(ctx, StreamPrefix+subscriber, eventstore.Any, events...); err != nil {
		return 0, fmt.Errorf("tell outcomes of %s: %w", subscriber, err)
	}
	if _, err := pool.Exec(ctx, "DELETE FROM ledger_push.history WHERE batch = $1", batch); err != nil {
		return 0, fmt.Errorf("forget told outcomes of %s: %w", subscriber, err)
	}
	return len(outcomes), nil
}

// Outcome is one event of the history of a subscriber.
type Outcome struct {
	Told

	Type string    `json:"type"`
	At   time.Time `json:"at"`
	// Actor is who did it: an operator, or "system".
	Actor string `json:"actor"`
}

// HistoryRequest asks what became of a subscriber's deliveries.
type HistoryRequest struct {
	Subscriber string `json:"subscriber"`
	// EventID is of the event whose delivery is asked for; empty is all.
	EventID string `json:"event_id,omitempty"`
	// Most is how many outcomes are wanted, the newest.
	Most int `json:"most"`
}

// historyScanned bounds how many outcomes are looked at for the ones of one event.
const historyScanned = 1_000_000

// History reads from the log what became of a subscriber's deliveries, the newest first. A subscriber that the
// log does not know is ErrUnknown.
func History(ctx context.Context, log eventstore.Reader, q HistoryRequest) ([]Outcome, error) {
	found := []Outcome{}
	for e, err := range log.ReadStream(ctx, StreamPrefix+q.Subscriber, eventstore.StreamRead{Direction: eventstore.Backwards, Count: historyScanned}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) {
			return nil, fmt.Errorf("%w: %q", ErrUnknown, q.Subscriber)
		}
		if err != nil {
			return nil, fmt.Errorf("read what became of webhooks of %s: %w", q.Subscriber, err)
		}
		if len(found) >= q.Most {
			break
		}
		o := Outcome{Type: e.Type}
		var metadata order.Metadata
		if err := errors.Join(json.Unmarshal(e.Data, &o.Told), json.Unmarshal(e.Metadata, &metadata)); err != nil {
			return nil, fmt.Errorf("read event %s of stream %s: %w", e.ID, e.Stream, err)
		}
		if q.EventID == "" || o.EventID == q.EventID {
			o.At, o.Actor = metadata.OccurredAt, metadata.Actor
			found = append(found, o)
		}
	}
	return found, nil
}
