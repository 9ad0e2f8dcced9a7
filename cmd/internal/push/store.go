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

	"github.com/order-ledger/order-ledger/eventstore"
)

// errElsewhere says that another process has planned further: this one begins anew from there.
var errElsewhere = errors.New("another process plans for the subscriber")

// planned is a delivery that is to be written.
type planned struct {
	eventID uuid.UUID
	orderID string
	name    string
	body    []byte
}

// position is up to where the deliveries of a subscriber are planned; a new subscriber begins at from.
func position(ctx context.Context, pool *pgxpool.Pool, name string, from eventstore.Position) (eventstore.Position, error) {
	var commit, prepare int64
	err := pool.QueryRow(ctx, `WITH made AS (
		  INSERT INTO ledger_push.subscribers (name, planned_commit, planned_prepare) VALUES ($1, $2, $3)
		  ON CONFLICT (name) DO NOTHING RETURNING planned_commit, planned_prepare)
		SELECT planned_commit, planned_prepare FROM made
		UNION ALL SELECT planned_commit, planned_prepare FROM ledger_push.subscribers WHERE name = $1 LIMIT 1`,
		name, int64(from.Commit), int64(from.Prepare)).Scan(&commit, &prepare)
	if err != nil {
		return eventstore.Position{}, fmt.Errorf("read where webhooks of %s are planned up to: %w", name, err)
	}
	return eventstore.Position{Commit: uint64(commit), Prepare: uint64(prepare)}, nil
}

// plan writes deliveries and moves the position, both or neither.
func plan(ctx context.Context, pool *pgxpool.Pool, name string, from, to eventstore.Position, rows []planned, at time.Time) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE ledger_push.subscribers SET planned_commit = $4, planned_prepare = $5
			WHERE name = $1 AND planned_commit = $2 AND planned_prepare = $3`,
			name, int64(from.Commit), int64(from.Prepare), int64(to.Commit), int64(to.Prepare))
		if err != nil {
			return fmt.Errorf("plan webhooks of %s: %w", name, err)
		}
		if tag.RowsAffected() == 0 {
			return errElsewhere
		}
		_, err = tx.CopyFrom(ctx, pgx.Identifier{"ledger_push", "deliveries"},
			[]string{"subscriber", "event_id", "order_id", "name", "body", "due_at", "planned_at"},
			pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
				r := &rows[i]
				return []any{name, r.eventID, r.orderID, r.name, string(r.body), at, at}, nil
			}))
		if err != nil {
			return fmt.Errorf("plan webhooks of %s: %w", name, err)
		}
		return nil
	})
}

// backlog counts what waits to be delivered.
func backlog(ctx context.Context, pool *pgxpool.Pool, name string) (n int64, err error) {
	err = pool.QueryRow(ctx, "SELECT count(*) FROM ledger_push.deliveries WHERE subscriber = $1 AND state = 'PENDING'", name).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count webhooks of %s: %w", name, err)
	}
	return n, nil
}

// delivery is one that is due.
type delivery struct {
	id       int64
	eventID  uuid.UUID
	orderID  string
	name     string
	body     []byte
	attempts int
}

// claim takes deliveries that are due, and keeps others from taking them until a time: a process that dies
// with them leaves them to the next. Ordered ones are taken only when no earlier one of the order waits.
func claim(ctx context.Context, pool *pgxpool.Pool, s *Subscriber, most int, now, until time.Time) ([]delivery, error) {
	rows, err := pool.Query(ctx, `
		WITH due AS (
		  SELECT d.id FROM ledger_push.deliveries d JOIN ledger_push.subscribers s ON s.name = d.subscriber
		  WHERE d.subscriber = $1 AND d.state = 'PENDING' AND d.due_at <= $2 AND s.disabled_at IS NULL
		    AND (NOT $5 OR NOT EXISTS (SELECT FROM ledger_push.deliveries e
		      WHERE e.subscriber = d.subscriber AND e.order_id = d.order_id AND e.id < d.id AND e.state = 'PENDING'))
		  ORDER BY d.due_at, d.id LIMIT $4 FOR UPDATE OF d SKIP LOCKED)
		UPDATE ledger_push.deliveries d SET due_at = $3 FROM due WHERE d.id = due.id
		RETURNING d.id, d.event_id, d.order_id, d.name, d.body, d.attempts`, s.Name, now, until, most, s.Ordered)
	if err != nil {
		return nil, fmt.Errorf("take webhooks of %s: %w", s.Name, err)
	}
	claimed, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (delivery, error) {
		var d delivery
		var body string
		err := row.Scan(&d.id, &d.eventID, &d.orderID, &d.name, &body, &d.attempts)
		d.body = []byte(body)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("take webhooks of %s: %w", s.Name, err)
	}
	return claimed, nil
}

// release makes deliveries that were taken due now; those that are done are not there any more.
func release(ctx context.Context, pool *pgxpool.Pool, taken []delivery, now time.Time) error {
	ids := make([]int64, len(taken))
	for i := range taken {
		ids[i] = taken[i].id
	}
	if _, err := pool.Exec(ctx, "UPDATE ledger_push.deliveries SET due_at = $2 WHERE id = ANY ($1) AND state = 'PENDING'", ids, now); err != nil {
		return fmt.Errorf("give webhooks back: %w", err)
	}
	return nil
}

// result is what became of an attempt, and when it is made again.
type result struct {
	delivery

	outcome outcome
	at      time.Time
	again   time.Time // zero: delivered, or given up
}

// Types of the events that tell what became of deliveries.
const (
	DeliverySucceeded  = "WebhookDelivered"
	DeliveryFailed     = "WebhookAttemptFailed"
	DeliveryGivenUp    = "WebhookGivenUp"
	SubscriberAdded    = "WebhookSubscriberAdded"
	SubscriberDisabled = "WebhookSubscriberDisabled"
	SubscriberEnabled  = "WebhookSubscriberEnabled"
)

// Told is the data of those events.
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

// record writes what became of attempts in one transaction, and tells whether the subscriber was disabled.
func record(ctx context.Context, pool *pgxpool.Pool, s *Subscriber, results []result) (disabled string, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var delivered []int64
		var given, retried, gone int
		var statements pgx.Batch
		history := func(r *result, eventType string, data Told) error {
			text, err := json.Marshal(data)
			if err == nil {
				statements.Queue("INSERT INTO ledger_push.history (subscriber, type, data, at) VALUES ($1, $2, $3, $4)", s.Name, eventType, text, r.at)
			}
			return err
		}
		for i := range results {
			r := &results[i]
			data := Told{Subscriber: s.Name, OrderID: r.orderID, EventID: r.eventID.String(), Name: r.name, Attempt: r.attempts + 1, Status: r.outcome.status}
			eventType := DeliverySucceeded
			switch {
			case r.outcome.delivered:
				delivered = append(delivered, r.id)
			case !r.again.IsZero():
				retried++
				eventType, data.Problem, data.NextAt = DeliveryFailed, r.outcome.problem, &r.again
				statements.Queue("UPDATE ledger_push.deliveries SET attempts = attempts + 1, due_at = $2, last_status = nullif($3, 0), last_problem = $4 WHERE id = $1",
					r.id, r.again, r.outcome.status, r.outcome.problem)
			default:
				given++
				if r.outcome.gone {
					gone++
				}
				eventType, data.Problem = DeliveryGivenUp, r.outcome.problem
				statements.Queue(`UPDATE ledger_push.deliveries SET attempts = attempts + 1, state = 'DEAD', dead_at = $2, last_status = nullif($3, 0), last_problem = $4
					WHERE id = $1`, r.id, r.at, r.outcome.status, r.outcome.problem)
			}
			if err := history(r, eventType, data); err != nil {
				return err
			}
		}
		statements.Queue("DELETE FROM ledger_push.deliveries WHERE id = ANY ($1)", delivered)
		last := &results[len(results)-1]
		problem := last.outcome.problem
		statements.Queue(`UPDATE ledger_push.subscribers SET delivered = delivered + $2,
			  given_up = CASE WHEN $2 > 0 THEN 0 ELSE given_up END + $3,
			  last_success_at = CASE WHEN $2 > 0 THEN $4 ELSE last_success_at END,
			  last_failure_at = CASE WHEN $5 > 0 THEN $4 ELSE last_failure_at END,
			  last_problem = CASE WHEN $6 <> '' THEN $6 ELSE last_problem END WHERE name = $1`,
			s.Name, len(delivered), given, last.at, given+retried, problem)
		if err := tx.SendBatch(ctx, &statements).Close(); err != nil {
			return err
		}
		reason := fmt.Sprintf("%d deliveries in a row were given up", s.DisableAfter)
		if gone > 0 {
			reason = "it answered 410: it wants no more"
		}
		tag, err := tx.Exec(ctx, `UPDATE ledger_push.subscribers SET disabled_at = $2, disabled_reason = $3
			WHERE name = $1 AND disabled_at IS NULL AND ($4 OR ($5 > 0 AND given_up >= $5))`, s.Name, last.at, reason, gone > 0, s.DisableAfter)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		disabled = reason
		return tell(ctx, tx, s.Name, SubscriberDisabled, Told{Subscriber: s.Name, Problem: reason}, last.at)
	})
	if err != nil {
		return "", fmt.Errorf("record webhooks of %s: %w", s.Name, err)
	}
	return disabled, nil
}

// tell puts an event on its way to the log.
func tell(ctx context.Context, tx pgx.Tx, subscriber, eventType string, data Told, at time.Time) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO ledger_push.history (subscriber, type, data, at) VALUES ($1, $2, $3, $4)", subscriber, eventType, text, at)
	return err
}
