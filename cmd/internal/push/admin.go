package push

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrUnknown says that there is no subscriber of a name: none is configured, or none was served yet.
var ErrUnknown = errors.New("there is no such subscriber of webhooks")

// Status is how a subscriber stands. Times are UTC.
type Status struct {
	Name           string     `json:"name"`
	Delivered      int64      `json:"delivered"`
	Pending        int64      `json:"pending"`
	Dead           int64      `json:"dead"`
	PlannedUpTo    int64      `json:"planned_commit_position"`
	DisabledAt     *time.Time `json:"disabled_at,omitempty"`
	DisabledReason *string    `json:"disabled_reason,omitempty"`
	LastSuccessAt  *time.Time `json:"last_success_at,omitempty"`
	LastFailureAt  *time.Time `json:"last_failure_at,omitempty"`
	LastProblem    *string    `json:"last_problem,omitempty"`
}

// Letter is one delivery that waits or was given up.
type Letter struct {
	ID          int64     `json:"id"`
	State       string    `json:"state"`
	OrderID     string    `json:"order_id"`
	EventID     string    `json:"event_id"`
	Name        string    `json:"name"`
	Attempts    int       `json:"attempts"`
	DueAt       time.Time `json:"due_at"`
	LastStatus  *int      `json:"last_status,omitempty"`
	LastProblem *string   `json:"last_problem,omitempty"`
}

// Database is a pool, a connection or a transaction.
type Database interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	Begin(ctx context.Context) (pgx.Tx, error)
}

// List tells how all subscribers stand that were ever served.
func List(ctx context.Context, db Database) ([]Status, error) {
	rows, err := db.Query(ctx, `SELECT s.name, s.delivered, count(d.id) FILTER (WHERE d.state = 'PENDING'), count(d.id) FILTER (WHERE d.state = 'DEAD'),
		s.planned_commit, s.disabled_at, s.disabled_reason, s.last_success_at, s.last_failure_at, s.last_problem
		FROM ledger_push.subscribers s LEFT JOIN ledger_push.deliveries d ON d.subscriber = s.name GROUP BY s.name ORDER BY s.name`)
	if err != nil {
		return nil, fmt.Errorf("list subscribers of webhooks: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Status])
	if err != nil {
		return nil, fmt.Errorf("list subscribers of webhooks: %w", err)
	}
	return found, nil
}

// Letters lists deliveries of a subscriber that wait or were given up, dead ones first, at most so many.
func Letters(ctx context.Context, db Database, subscriber string, most int) ([]Letter, error) {
	rows, err := db.Query(ctx, `SELECT id, state, order_id, event_id::text, name, attempts, due_at, last_status, last_problem
		FROM ledger_push.deliveries WHERE subscriber = $1 ORDER BY state, id LIMIT $2`, subscriber, most)
	if err != nil {
		return nil, fmt.Errorf("list webhooks of %s: %w", subscriber, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Letter])
	if err != nil {
		return nil, fmt.Errorf("list webhooks of %s: %w", subscriber, err)
	}
	return found, nil
}

// Retry makes dead letters due again, all of them or one, with all their attempts; it tells how many.
func Retry(ctx context.Context, db Database, subscriber string, id int64, now time.Time) (n int64, err error) {
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE ledger_push.deliveries SET state = 'PENDING', dead_at = NULL, attempts = 0, due_at = $3
			WHERE subscriber = $1 AND state = 'DEAD' AND ($2 = 0 OR id = $2)`, subscriber, id, now)
		n = tag.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("retry webhooks of %s: %w", subscriber, err)
	}
	return n, nil
}

// Switch disables a subscriber or enables it again; what happened meanwhile is delivered then.
func Switch(ctx context.Context, db Database, subscriber string, on bool, reason string, now time.Time) error {
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		sql, kind := "UPDATE ledger_push.subscribers SET disabled_at = $2, disabled_reason = $3 WHERE name = $1", SubscriberDisabled
		if on {
			sql, kind = "UPDATE ledger_push.subscribers SET disabled_at = NULL, disabled_reason = NULL, given_up = 0 WHERE name = $1 AND $2::timestamptz IS NOT NULL AND $3::text IS NOT NULL",
				SubscriberEnabled
		}
		tag, err := tx.Exec(ctx, sql, subscriber, now, reason)
		if err == nil && tag.RowsAffected() == 0 {
			err = fmt.Errorf("%w: %q", ErrUnknown, subscriber)
		}
		if err != nil {
			return err
		}
		return tell(ctx, tx, subscriber, kind, Told{Subscriber: subscriber, Problem: reason}, now)
	})
	if err != nil {
		return fmt.Errorf("switch webhooks: %w", err)
	}
	return nil
}
