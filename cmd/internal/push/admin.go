package push

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	// ErrUnknown says that there is no subscriber of a name: none is configured, or none was served yet.
	ErrUnknown = errors.New("there is no such subscriber of webhooks")
	// ErrNoLetter says that a subscriber has no such delivery.
	ErrNoLetter = errors.New("there is no such delivery of the subscriber")
	// ErrConfigured says that a subscriber cannot be removed because it is served.
	ErrConfigured = errors.New("the subscriber is configured: take it out of the configuration first, and have the ledger read that (SIGHUP, or a restart)")
)

// Status is how a subscriber stands. Times are UTC.
type Status struct {
	Name string `json:"name"`
	// Configured is false for a subscriber that was taken out of the configuration: nothing is planned or
	// delivered until it is there again, or removed.
	Configured     bool       `json:"configured"`
	Delivered      int64      `json:"delivered"`
	Pending        int64      `json:"pending"`
	Dead           int64      `json:"dead"`
	PlannedUpTo    int64      `json:"planned_commit_position"`
	DisabledAt     *time.Time `json:"disabled_at,omitempty"`
	DisabledReason *string    `json:"disabled_reason,omitempty"`
	// HeldAt is set when deliveries are held back because the log is not the one that they were planned from.
	HeldAt        *time.Time `json:"held_at,omitempty"`
	HeldReason    *string    `json:"held_reason,omitempty"`
	LastSuccessAt *time.Time `json:"last_success_at,omitempty"`
	LastFailureAt *time.Time `json:"last_failure_at,omitempty"`
	LastProblem   *string    `json:"last_problem,omitempty"`
	// OldestPendingAt is when the delivery was planned that has waited longest.
	OldestPendingAt *time.Time `json:"oldest_pending_at,omitempty"`
}

// Letter is one delivery that waits or was given up.
type Letter struct {
	ID          int64      `json:"id"`
	State       string     `json:"state"` // PENDING or DEAD
	OrderID     string     `json:"order_id"`
	EventID     string     `json:"event_id"`
	Name        string     `json:"name"`
	Attempts    int        `json:"attempts"`
	PlannedAt   time.Time  `json:"planned_at"`
	DueAt       time.Time  `json:"due_at"`
	DeadAt      *time.Time `json:"dead_at,omitempty"`
	LastStatus  *int       `json:"last_status,omitempty"`
	LastProblem *string    `json:"last_problem,omitempty"`
	// LastAnswer is the beginning of the body that the receiver answered with.
	LastAnswer *string `json:"last_answer,omitempty"`
	// Body is what is sent; nil in lists, and when it could not be made yet.
	Body *string `json:"body,omitempty"`
}

// Database is a pool, a connection or a transaction.
type Database interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	Begin(ctx context.Context) (pgx.Tx, error)
}

// List tells how all subscribers stand that were ever served and not removed.
func List(ctx context.Context, db Database) ([]Status, error) {
	rows, err := db.Query(ctx, `SELECT s.name, s.configured, s.delivered, coalesce(d.pending, 0), coalesce(d.dead, 0), s.planned_commit, s.disabled_at, s.disabled_reason,
		  s.held_at, s.held_reason, s.last_success_at, s.last_failure_at, s.last_problem, d.oldest
		FROM ledger_push.subscribers s LEFT JOIN (
		  SELECT subscriber, count(*) FILTER (WHERE state = 'PENDING') AS pending, count(*) FILTER (WHERE state = 'DEAD') AS dead,
		    min(planned_at) FILTER (WHERE state = 'PENDING') AS oldest
		  FROM ledger_push.deliveries GROUP BY subscriber) d ON d.subscriber = s.name ORDER BY s.name`)
	if err != nil {
		return nil, fmt.Errorf("list subscribers of webhooks: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Status])
	if err != nil {
		return nil, fmt.Errorf("list subscribers of webhooks: %w", err)
	}
	return found, nil
}

// Letters lists deliveries of a subscriber that wait or were given up, dead ones first, at most so many. An id
// other than 0 is of the one that is wanted, with its body.
func Letters(ctx context.Context, db Database, subscriber string, id int64, most int) ([]Letter, error) {
	if err := mustBe(ctx, db, subscriber); err != nil {
		return nil, err
	}
	rows, err := db.Query(ctx, `SELECT id, state, order_id, event_id::text, name, attempts, planned_at, due_at, dead_at, last_status, last_problem, last_answer,
		  CASE WHEN $3 <> 0 THEN body END
		FROM ledger_push.deliveries WHERE subscriber = $1 AND ($3 = 0 OR id = $3) ORDER BY state, id LIMIT $2`, subscriber, most, id)
	if err != nil {
		return nil, fmt.Errorf("list webhooks of %s: %w", subscriber, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Letter])
	if err != nil {
		return nil, fmt.Errorf("list webhooks of %s: %w", subscriber, err)
	}
	if id != 0 && len(found) == 0 {
		return nil, noLetter(id)
	}
	return found, nil
}

// mustBe is ErrUnknown when there is no such subscriber.
func mustBe(ctx context.Context, db Database, subscriber string) error {
	is, err := subscriptionOf(ctx, db, subscriber)
	if err == nil && is == nil {
		err = fmt.Errorf("%w: %q", ErrUnknown, subscriber)
	}
	return err
}

func noLetter(id int64) error {
	return fmt.Errorf("%w: %d; it may have been delivered meanwhile", ErrNoLetter, id)
}

// Change is what an operator does to a subscriber.
type Change struct {
	Subscriber string
	// Actor is who does it.
	Actor  string
	Reason string
	At     time.Time
}

// do changes a subscriber that is there, while nobody else plans, records or changes.
func (c Change) do(ctx context.Context, db Database, what string, change func(tx pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "SELECT FROM ledger_push.subscribers WHERE name = $1 FOR UPDATE", c.Subscriber)
		if err == nil && tag.RowsAffected() == 0 {
			err = fmt.Errorf("%w: %q", ErrUnknown, c.Subscriber)
		}
		if err != nil {
			return err
		}
		return change(tx)
	})
	if err != nil {
		return fmt.Errorf("%s webhooks of %s: %w", what, c.Subscriber, err)
	}
	return nil
}

// letters tells the log what an operator did to deliveries.
const letters = `INSERT INTO ledger_push.history (subscriber, type, data, at, actor)
	SELECT $1, $2, jsonb_strip_nulls(jsonb_build_object('subscriber', $1::text, 'order_id', c.order_id, 'event_id', c.event_id, 'name', c.name, 'problem', nullif($5, ''))), $3, $4
	FROM c ORDER BY c.id`

// Retry makes dead letters due again, all of them or the one of an id, with all their attempts; it tells how many.
func (c Change) Retry(ctx context.Context, db Database, id int64) (n int64, err error) {
	return n, c.do(ctx, db, "retry", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `WITH c AS (
			UPDATE ledger_push.deliveries SET state = 'PENDING', dead_at = NULL, attempts = 0, due_at = $3, planned_at = $3, head = true
			WHERE subscriber = $1 AND state = 'DEAD' AND ($6 = 0 OR id = $6) RETURNING id, order_id, event_id, name) `+letters,
			c.Subscriber, DeliveryRetried, c.At, c.Actor, c.Reason, id)
		if err != nil {
			return err
		}
		if n = tag.RowsAffected(); n == 0 && id != 0 {
			return noLetter(id)
		}
		// Of an order's deliveries that wait, the first goes first once more.
		_, err = tx.Exec(ctx, `UPDATE ledger_push.deliveries d SET head = d.id = f.first
			FROM (SELECT order_id, min(id) AS first FROM ledger_push.deliveries WHERE subscriber = $1 AND state = 'PENDING' GROUP BY order_id HAVING count(*) > 1) f
			WHERE d.subscriber = $1 AND d.state = 'PENDING' AND d.order_id = f.order_id AND d.head <> (d.id = f.first)
			  AND (SELECT ordered FROM ledger_push.subscribers WHERE name = $1)`, c.Subscriber)
		return err
	})
}

// Discard forgets dead letters, all of them or the one of an id; it tells how many.
func (c Change) Discard(ctx context.Context, db Database, id int64) (n int64, err error) {
	return n, c.do(ctx, db, "discard", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `WITH c AS (
			DELETE FROM ledger_push.deliveries WHERE subscriber = $1 AND state = 'DEAD' AND ($6 = 0 OR id = $6) RETURNING id, order_id, event_id, name) `+letters,
			c.Subscriber, DeliveryDiscarded, c.At, c.Actor, c.Reason, id)
		if err != nil {
			return err
		}
		if n = tag.RowsAffected(); n == 0 && id != 0 {
			return noLetter(id)
		}
		return nil
	})
}

// Disable stops deliveries to a subscriber; what happens meanwhile is planned.
func (c Change) Disable(ctx context.Context, db Database) error {
	return c.do(ctx, db, "disable", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE ledger_push.subscribers SET disabled_at = $2, disabled_reason = $3 WHERE name = $1", c.Subscriber, c.At, c.Reason)
		if err != nil {
			return err
		}
		return c.tell(ctx, tx, SubscriberDisabled)
	})
}

// Enable delivers again, what was missed included.
func (c Change) Enable(ctx context.Context, db Database) error {
	return c.do(ctx, db, "enable", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE ledger_push.subscribers SET disabled_at = NULL, disabled_reason = NULL, given_up = 0 WHERE name = $1", c.Subscriber)
		if err != nil {
			return err
		}
		return c.tell(ctx, tx, SubscriberEnabled)
	})
}

// Resume has planning begin anew from FromBeginning, FromNow, or after the event at a position of the log
// ("C:…/P:…", or a number). What the log knows as delivered is not sent again. The serving ledger does it.
func (c Change) Resume(ctx context.Context, db Database, from string) error {
	return c.do(ctx, db, "resume", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE ledger_push.subscribers SET resume_from = $2, resume_actor = $3 WHERE name = $1", c.Subscriber, from, c.Actor)
		return err
	})
}

// Remove forgets a subscriber that is no longer configured, with what waits for it; it tells how many
// deliveries that were. Under its name another may be added later, which gets what comes then.
func (c Change) Remove(ctx context.Context, db Database) (n int64, err error) {
	return n, c.do(ctx, db, "remove", func(tx pgx.Tx) error {
		var configured bool
		err := tx.QueryRow(ctx, "SELECT configured FROM ledger_push.subscribers WHERE name = $1", c.Subscriber).Scan(&configured)
		if err == nil && configured {
			err = ErrConfigured
		}
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, "DELETE FROM ledger_push.deliveries WHERE subscriber = $1", c.Subscriber)
		if err != nil {
			return err
		}
		n = tag.RowsAffected()
		if _, err := tx.Exec(ctx, "DELETE FROM ledger_push.subscribers WHERE name = $1", c.Subscriber); err != nil {
			return err
		}
		return c.tell(ctx, tx, SubscriberRemoved)
	})
}

func (c Change) tell(ctx context.Context, tx pgx.Tx, eventType string) error {
	return tell(ctx, tx, eventType, c.Actor, Told{Subscriber: c.Subscriber, Problem: c.Reason}, c.At)
}
