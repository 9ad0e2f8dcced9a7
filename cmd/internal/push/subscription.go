package push

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/eventstore"
)

// subscription is how far a subscriber's deliveries are planned, and from which log.
type subscription struct {
	planned eventstore.Position
	// anchor is the event at planned; zero at the start of the log, and in rows of a program that kept none.
	anchor anchor
	// added is the WebhookSubscriberAdded event that the subscription began with; nil as above.
	added *uuid.UUID
	// recoveringTo is the commit position up to which settled tells what had become of events; nil when that
	// is past.
	recoveringTo *int64
	heldReason   *string
	// resumeFrom is where an operator wants planning to begin anew, and resumeActor who that is.
	resumeFrom, resumeActor *string
	ordered                 bool
}

// subscriptionOf reads a subscription; nil when there is none.
func subscriptionOf(ctx context.Context, db Database, name string) (*subscription, error) {
	rows, err := db.Query(ctx, `SELECT planned_commit, planned_prepare, anchor_stream, anchor_revision, anchor_digest, added_id, recovering_to, held_reason,
		resume_from, resume_actor, ordered FROM ledger_push.subscribers WHERE name = $1`, name)
	if err != nil {
		return nil, fmt.Errorf("read the subscription %s: %w", name, err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (s subscription, err error) {
		var commit, prepare int64
		var stream *string
		var revision *int64
		err = row.Scan(&commit, &prepare, &stream, &revision, &s.anchor.digest, &s.added, &s.recoveringTo, &s.heldReason, &s.resumeFrom, &s.resumeActor, &s.ordered)
		s.planned = eventstore.Position{Commit: uint64(commit), Prepare: uint64(prepare)}
		if stream != nil && revision != nil {
			s.anchor.stream, s.anchor.revision = *stream, uint64(*revision)
		}
		return s, err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the subscription %s: %w", name, err)
	}
	return &found, nil
}

// lockSubscription keeps everybody else from planning, recording and changing until the transaction ends. It
// fails with errElsewhere when the position has moved.
func lockSubscription(ctx context.Context, tx pgx.Tx, name string, planned eventstore.Position) error {
	var there bool
	err := tx.QueryRow(ctx, "SELECT planned_commit = $2 AND planned_prepare = $3 FROM ledger_push.subscribers WHERE name = $1 FOR UPDATE",
		name, int64(planned.Commit), int64(planned.Prepare)).Scan(&there)
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && !there) {
		return errElsewhere
	}
	return err
}

// hold stops deliveries of a subscriber until the log is the right one again or an operator resumes them.
// refused is the place of an operator that is not in the log; nil when there was none. One that was given
// meanwhile stays.
func hold(ctx context.Context, db Database, name, reason string, refused *string, now time.Time) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE ledger_push.subscribers SET held_at = coalesce(held_at, $2), held_reason = $3,
			  resume_from = nullif(resume_from, $4) WHERE name = $1`, name, now, reason, refused)
		if err != nil {
			return fmt.Errorf("hold webhooks of %s: %w", name, err)
		}
		return nil
	})
}

// verified notes that the log is the one that was planned from, and which event proves it.
func verified(ctx context.Context, db Database, name string, s *subscription) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		stream, revision, digest := s.anchor.columns()
		_, err := tx.Exec(ctx, `UPDATE ledger_push.subscribers SET held_at = NULL, held_reason = NULL, added_id = $4,
			anchor_stream = $5, anchor_revision = $6, anchor_digest = $7
			WHERE name = $1 AND planned_commit = $2 AND planned_prepare = $3`,
			name, int64(s.planned.Commit), int64(s.planned.Prepare), s.added, stream, revision, digest)
		if err != nil {
			return fmt.Errorf("note the log of %s: %w", name, err)
		}
		return nil
	})
}

// columns are the anchor as the database has it, all nil when there is none.
func (a anchor) columns() (stream *string, revision *int64, digest []byte) {
	if a.isZero() {
		return nil, nil, nil
	}
	r := int64(a.revision)
	return &a.stream, &r, a.digest
}

// arrange makes the first waiting delivery of each order its head when the subscriber wants them in order,
// and all of them otherwise. It does nothing when that is how they are.
func arrange(ctx context.Context, db Database, name string, ordered bool) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		var is bool
		err := tx.QueryRow(ctx, "SELECT ordered FROM ledger_push.subscribers WHERE name = $1 FOR UPDATE", name).Scan(&is)
		if err != nil || is == ordered {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE ledger_push.subscribers SET ordered = $2 WHERE name = $1", name, ordered); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE ledger_push.deliveries d SET head = NOT $2 OR d.id = f.first
			FROM (SELECT order_id, min(id) AS first FROM ledger_push.deliveries WHERE subscriber = $1 AND state = 'PENDING' GROUP BY order_id) f
			WHERE d.subscriber = $1 AND d.state = 'PENDING' AND d.order_id = f.order_id AND d.head IS DISTINCT FROM (NOT $2 OR d.id = f.first)`, name, ordered)
		return err
	})
}
