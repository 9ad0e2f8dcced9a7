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

// errElsewhere says that another process has planned further, or an operator changed something: planning
// begins anew from what is there.
var errElsewhere = errors.New("another process plans for the subscriber")

// plan writes deliveries and moves the position to that of the last event, both or neither. It tells how many
// deliveries were written: an event is delivered once, should its id stand in the log twice.
func plan(ctx context.Context, pool *pgxpool.Pool, s *Subscriber, from eventstore.Position, last *eventstore.RecordedEvent, rows []planned, at time.Time) (written int, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		stream, revision, digest := anchorOf(last).columns()
		tag, err := tx.Exec(ctx, `UPDATE ledger_push.subscribers SET planned_commit = $4, planned_prepare = $5, anchor_stream = $6, anchor_revision = $7, anchor_digest = $8
			WHERE name = $1 AND planned_commit = $2 AND planned_prepare = $3 AND held_at IS NULL AND resume_from IS NULL`,
			s.Name, int64(from.Commit), int64(from.Prepare), int64(last.Position.Commit), int64(last.Position.Prepare), stream, revision, digest)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return errElsewhere
		}
		if len(rows) == 0 {
			return nil
		}
		written, err = insert(ctx, tx, s, rows, at)
		return err
	})
	if err != nil && !errors.Is(err, errElsewhere) {
		err = fmt.Errorf("plan webhooks of %s: %w", s.Name, err)
	}
	return written, err
}

// insert writes deliveries. The subscription is locked: nothing that waits goes or comes meanwhile.
func insert(ctx context.Context, tx pgx.Tx, s *Subscriber, rows []planned, at time.Time) (int, error) {
	waiting := map[string]bool{} // orders that have a head
	if s.Ordered {
		ids := make([]string, len(rows))
		for i := range rows {
			ids[i] = rows[i].orderID
		}
		found, err := tx.Query(ctx, "SELECT DISTINCT order_id FROM ledger_push.deliveries WHERE subscriber = $1 AND order_id = ANY ($2) AND state = 'PENDING'", s.Name, ids)
		if err != nil {
			return 0, err
		}
		orders, err := pgx.CollectRows(found, pgx.RowTo[string])
		if err != nil {
			return 0, err
		}
		for _, id := range orders {
			waiting[id] = true
		}
	}
	n := len(rows)
	var (
		events, orderIDs, names = make([]uuid.UUID, n), make([]string, n), make([]string, n)
		bodies, problems        = make([]*string, n), make([]*string, n)
		dead, heads             = make([]bool, n), make([]bool, n)
		attempts                = make([]int32, n)
		statuses                = make([]*int, n)
		streams, revisions      = make([]string, n), make([]int64, n)
		lost                    pgx.Batch
	)
	for i := range rows {
		r := &rows[i]
		events[i], orderIDs[i], names[i], problems[i] = r.event.ID, r.orderID, r.name, r.problem
		streams[i], revisions[i], dead[i], attempts[i], statuses[i] = r.event.Stream, int64(r.event.Revision), r.dead, int32(r.attempts), r.status
		if r.body != nil {
			text := string(r.body)
			bodies[i] = &text
		}
		heads[i] = !r.dead && !waiting[r.orderID]
		if s.Ordered && !r.dead {
			waiting[r.orderID] = true
		}
		if r.dead && r.attempts == 0 && r.problem != nil {
			text, err := json.Marshal(Told{Subscriber: s.Name, OrderID: r.orderID, EventID: r.event.ID.String(), Name: r.name, Problem: *r.problem})
			if err != nil {
				return 0, err
			}
			lost.Queue("INSERT INTO ledger_push.history (subscriber, type, data, at) VALUES ($1, $2, $3, $4)", s.Name, DeliveryGivenUp, text, at)
		}
	}
	tag, err := tx.Exec(ctx, `INSERT INTO ledger_push.deliveries (subscriber, due_at, planned_at, event_id, order_id, name, body, state, dead_at, attempts,
		  last_status, last_problem, stream, revision, head)
		SELECT $1, $2::timestamptz, $2, d.event_id, d.order_id, d.name, d.body, CASE WHEN d.dead THEN 'DEAD' ELSE 'PENDING' END, CASE WHEN d.dead THEN $2 END, d.attempts,
		  d.status, d.problem, d.stream, d.revision, d.head
		FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::bool[], $8::int[], $9::int[], $10::text[], $11::text[], $12::bigint[], $13::bool[])
		  WITH ORDINALITY AS d (event_id, order_id, name, body, dead, attempts, status, problem, stream, revision, head, nr)
		ORDER BY d.nr ON CONFLICT (subscriber, event_id) DO NOTHING`,
		s.Name, at, events, orderIDs, names, bodies, dead, attempts, statuses, problems, streams, revisions, heads)
	if err != nil {
		return 0, err
	}
	if int(tag.RowsAffected()) < n && s.Ordered { // what was left out may have been a head
		if err := promote(ctx, tx, s.Name, orderIDs); err != nil {
			return 0, err
		}
	}
	return int(tag.RowsAffected()), tx.SendBatch(ctx, &lost).Close()
}

// promote makes the first waiting delivery of each of some orders its head, and no other.
func promote(ctx context.Context, tx pgx.Tx, subscriber string, orderIDs []string) error {
	_, err := tx.Exec(ctx, `UPDATE ledger_push.deliveries d SET head = true
		FROM (SELECT DISTINCT unnest($2::text[]) AS order_id) o, LATERAL (SELECT id FROM ledger_push.deliveries
		  WHERE subscriber = $1 AND order_id = o.order_id AND state = 'PENDING' ORDER BY id LIMIT 1) first
		WHERE d.id = first.id AND NOT d.head`, subscriber, orderIDs)
	return err
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
	stream   string
	revision uint64
	body     []byte  // nil until it is made
	made     *string // the body when it was made only now
	attempts int
	// cannot says why there is no body; unwanted that the subscriber does not want the event, which turned
	// out when it could be read.
	cannot   string
	unwanted bool
}

// claimSQL takes deliveries that are due, and keeps others from taking them until a time.
const claimSQL = `
	WITH due AS (
	  SELECT d.id FROM ledger_push.deliveries d
	  WHERE d.subscriber = $1 AND d.state = 'PENDING' AND d.head AND d.due_at <= $2
	    AND (SELECT s.disabled_at IS NULL AND s.held_at IS NULL AND s.resume_from IS NULL FROM ledger_push.subscribers s WHERE s.name = $1)
	  ORDER BY d.due_at, d.id LIMIT $4 FOR UPDATE OF d SKIP LOCKED)
	UPDATE ledger_push.deliveries d SET due_at = $3 FROM due WHERE d.id = due.id
	RETURNING d.id, d.event_id, d.order_id, d.name, coalesce(d.stream, ''), coalesce(d.revision, 0), d.body, d.attempts`

// claim takes deliveries that are due, and keeps others from taking them until a time: a process that dies
// with them leaves them to the next. Ordered ones are taken only when no earlier one of the order waits: they
// are heads.
func claim(ctx context.Context, pool *pgxpool.Pool, s *Subscriber, most int, now, until time.Time) ([]delivery, error) {
	rows, err := pool.Query(ctx, claimSQL, s.Name, now, until, most)
	if err != nil {
		return nil, fmt.Errorf("take webhooks of %s: %w", s.Name, err)
	}
	claimed, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d delivery, err error) {
		var body *string
		var revision int64
		err = row.Scan(&d.id, &d.eventID, &d.orderID, &d.name, &d.stream, &revision, &body, &d.attempts)
		d.revision = uint64(revision)
		if body != nil {
			d.body = []byte(*body)
		}
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

// tried tells whether something was sent.
func (r *result) tried() bool { return r.cannot == "" && !r.unwanted }
