package push

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// record writes what became of attempts in one transaction, and tells whether the subscriber was disabled.
func record(ctx context.Context, pool *pgxpool.Pool, s *Subscriber, results []result) (disabled string, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		r := recorder{s: s}
		for i := range results {
			if err := r.add(&results[i]); err != nil {
				return err
			}
		}
		last := &results[len(results)-1]
		// The subscription is locked first: which delivery is an order's next must not change meanwhile.
		if err := r.count(ctx, tx, last.at); err != nil {
			return err
		}
		r.changes.Queue("DELETE FROM ledger_push.deliveries WHERE id = ANY ($1)", r.gone)
		r.changes.Queue("INSERT INTO ledger_push.history (subscriber, type, data, at) SELECT $1, h.type, h.data, h.at FROM unnest($2::text[], $3::jsonb[], $4::timestamptz[]) WITH ORDINALITY AS h (type, data, at, nr) ORDER BY h.nr",
			s.Name, r.types, r.told, r.times)
		if err := tx.SendBatch(ctx, &r.changes).Close(); err != nil {
			return err
		}
		if s.Ordered && len(r.orders) > 0 {
			if err := promote(ctx, tx, s.Name, r.orders); err != nil {
				return err
			}
		}
		disabled, err = r.disable(ctx, tx, last.at)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("record webhooks of %s: %w", s.Name, err)
	}
	return disabled, nil
}

// recorder gathers what is written of attempts.
type recorder struct {
	s       *Subscriber
	changes pgx.Batch
	gone    []int64  // delivered, or not wanted
	orders  []string // whose head is done
	types   []string
	told    []string
	times   []time.Time

	delivered, given, retried int
	noMore                    bool // a 410
	problem                   string
}

func (r *recorder) add(of *result) error {
	o := &of.outcome
	data := Told{Subscriber: r.s.Name, OrderID: of.orderID, EventID: of.eventID.String(), Name: of.name, Attempt: of.attempts + 1, Status: o.status, Problem: o.problem}
	eventType := DeliverySucceeded
	switch {
	case of.unwanted:
		r.gone = append(r.gone, of.id)
		eventType, data.Attempt, data.Problem = DeliveryDiscarded, of.attempts, "the subscriber does not want it"
	case o.delivered:
		r.delivered++
		r.gone = append(r.gone, of.id)
	case of.cannot != "":
		eventType, data.Attempt = DeliveryGivenUp, of.attempts
		r.changes.Queue(`UPDATE ledger_push.deliveries SET state = 'DEAD', dead_at = $2, last_problem = $3 WHERE id = $1`, of.id, of.at, o.problem)
	case !of.again.IsZero():
		r.retried++
		eventType, data.NextAt = DeliveryFailed, &of.again
		r.changes.Queue(`UPDATE ledger_push.deliveries SET attempts = attempts + 1, due_at = $2, last_status = nullif($3, 0), last_problem = $4, last_answer = nullif($5, ''), body = coalesce($6, body)
			WHERE id = $1`, of.id, of.again, o.status, o.problem, o.answer, of.made)
	default:
		r.given++
		r.noMore = r.noMore || o.gone
		eventType = DeliveryGivenUp
		r.changes.Queue(`UPDATE ledger_push.deliveries SET attempts = attempts + 1, state = 'DEAD', dead_at = $2, last_status = nullif($3, 0), last_problem = $4,
			last_answer = nullif($5, ''), body = coalesce($6, body) WHERE id = $1`, of.id, of.at, o.status, o.problem, o.answer, of.made)
	}
	if o.problem != "" {
		r.problem = o.problem
	}
	if of.again.IsZero() {
		r.orders = append(r.orders, of.orderID)
	}
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encode %s: %w", eventType, err)
	}
	r.types, r.told, r.times = append(r.types, eventType), append(r.told, string(text)), append(r.times, of.at)
	return nil
}

// count writes the subscriber's figures.
func (r *recorder) count(ctx context.Context, tx pgx.Tx, at time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE ledger_push.subscribers SET delivered = delivered + $2,
		  given_up = CASE WHEN $2 > 0 THEN 0 ELSE given_up END + $3,
		  last_success_at = CASE WHEN $2 > 0 THEN $4 ELSE last_success_at END,
		  last_failure_at = CASE WHEN $5 > 0 THEN $4 ELSE last_failure_at END,
		  last_problem = CASE WHEN $6 <> '' THEN $6 ELSE last_problem END WHERE name = $1`,
		r.s.Name, r.delivered, r.given, at, r.given+r.retried, r.problem)
	return err
}

// disable disables the subscriber if that is due, and says why.
func (r *recorder) disable(ctx context.Context, tx pgx.Tx, at time.Time) (string, error) {
	after := *r.s.DisableAfter
	reason := fmt.Sprintf("%d deliveries in a row were given up", after)
	if r.noMore {
		reason = "it answered 410: it wants no more"
	}
	tag, err := tx.Exec(ctx, `UPDATE ledger_push.subscribers SET disabled_at = $2, disabled_reason = $3
		WHERE name = $1 AND disabled_at IS NULL AND ($4 OR ($5 > 0 AND given_up >= $5))`, r.s.Name, at, reason, r.noMore, after)
	if err != nil || tag.RowsAffected() == 0 {
		return "", err
	}
	return reason, tell(ctx, tx, SubscriberDisabled, system, Told{Subscriber: r.s.Name, Problem: reason}, at)
}
