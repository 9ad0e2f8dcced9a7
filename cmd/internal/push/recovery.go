package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/eventstore"
)

// Places from which an operator may have planning begin anew, besides a position.
const (
	FromBeginning = "beginning"
	FromNow       = "now"
)

var (
	// errHeld says that deliveries are held back until an operator says how to go on.
	errHeld = errors.New("deliveries are held back: see `ledger webhooks list`, and `ledger webhooks resume`")
	// errNoPlace says that an operator's place is not in the log.
	errNoPlace = errors.New("no event stands at the position")
)

// whyHeld is what people read.
const whyHeld = "the log is not the one that deliveries were planned from, and does not know the subscription: " +
	"`ledger webhooks resume NAME --from beginning|now|POSITION` says where to go on"

// verify returns a subscription whose planned position is of this log. When the log is another than it was
// (restored from a backup, copied), or the database has lost what it knew, planning begins anew where the
// subscription began, with what the log tells of deliveries: nothing is left out, and what the log knows as
// delivered is not sent again. When the log does not know the subscription either, deliveries are held back.
func (p *Pusher) verify(ctx context.Context, pool *pgxpool.Pool, s *Subscriber) (*subscription, error) {
	is, err := subscriptionOf(ctx, pool, s.Name)
	switch {
	case err != nil:
		return nil, err
	case is == nil:
		return p.begin(ctx, pool, s, nil, "the database knew nothing of the subscriber")
	case is.resumeFrom != nil:
		begun, err := p.begin(ctx, pool, s, is, "resumed from "+*is.resumeFrom)
		if errors.Is(err, errNoPlace) {
			return nil, errors.Join(err, hold(ctx, pool, s.Name, err.Error()+"; "+whyHeld, is.resumeFrom, p.c.Clock()))
		}
		return begun, err
	}
	same, err := p.sameLog(ctx, s.Name, is)
	switch {
	case err != nil:
		return nil, err
	case same:
		return is, verified(ctx, pool, s.Name, is)
	}
	if is.heldReason != nil && p.lookedInto(s.Name, false) {
		return nil, errHeld // a log does not become another while it is open
	}
	known := false
	if is.added != nil {
		if known, err = p.knows(ctx, s.Name, *is.added); err != nil {
			return nil, err
		}
	}
	if !known {
		if is.heldReason == nil {
			p.c.Logger.ErrorContext(ctx, "deliveries of webhooks are held back", slog.String("subscriber", s.Name), slog.String("reason", whyHeld))
		}
		p.lookedInto(s.Name, true)
		return nil, errors.Join(errHeld, hold(ctx, pool, s.Name, whyHeld, nil, p.c.Clock()))
	}
	return p.begin(ctx, pool, s, is, "the log is not the one that deliveries were planned from: restored or copied")
}

// sameLog tells whether the event at the planned position is the one that it was. Rows of a program that kept
// no anchor take the event that stands there.
func (p *Pusher) sameLog(ctx context.Context, name string, is *subscription) (bool, error) {
	if is.planned == (eventstore.Position{}) {
		return true, nil // nothing is planned
	}
	if !is.anchor.isZero() {
		return is.anchor.stands(ctx, p.c.Log, is.planned)
	}
	e, err := eventAt(ctx, p.c.Log, is.planned)
	if err != nil || e == nil {
		return false, err
	}
	is.anchor = anchorOf(e)
	past, err := p.past(ctx, name, nil)
	if err == nil && past.added != nil {
		is.added = &past.added.ID
	}
	return past.added != nil, err
}

// knows tells whether the log has the event that a subscription began with.
func (p *Pusher) knows(ctx context.Context, name string, added uuid.UUID) (bool, error) {
	past, err := p.past(ctx, name, nil)
	return err == nil && past.added != nil && past.added.ID == added, err
}

// begin plans a subscriber's deliveries from the beginning of its subscription, or from where an operator
// said, with what the log tells of them. was is the subscription as it stood; nil when there was none.
func (p *Pusher) begin(ctx context.Context, pool *pgxpool.Pool, s *Subscriber, was *subscription, why string) (*subscription, error) {
	for { // what is known of deliveries goes to the log first
		n, err := p.tellOf(ctx, pool, s.Name)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
	}
	if err := p.added(ctx, s.Name); err != nil {
		return nil, err
	}
	var dropped int64
	var known *past
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) (err error) {
		var at eventstore.Position
		if was != nil {
			at = was.planned
		} else if _, err := tx.Exec(ctx, `INSERT INTO ledger_push.subscribers (name, planned_commit, planned_prepare) VALUES ($1, 0, 0) ON CONFLICT DO NOTHING`, s.Name); err != nil {
			return err
		}
		if err := lockSubscription(ctx, tx, s.Name, at); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM ledger_push.settled WHERE subscriber = $1", s.Name); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, "DELETE FROM ledger_push.deliveries WHERE subscriber = $1", s.Name)
		if err != nil {
			return err
		}
		dropped = tag.RowsAffected()
		if known, err = p.past(ctx, s.Name, tx); err != nil {
			return err
		}
		return p.restart(ctx, tx, s, was, known, why)
	})
	if err != nil {
		return nil, fmt.Errorf("begin webhooks of %s anew: %w", s.Name, err)
	}
	if was != nil || known.outcomes > 0 {
		p.c.Logger.ErrorContext(ctx, "deliveries of webhooks are planned anew", slog.String("subscriber", s.Name), slog.String("reason", why),
			slog.Int64("waiting_before", dropped), slog.Int64("known_as_delivered", known.delivered))
	}
	return subscriptionOf(ctx, pool, s.Name)
}

// restart writes where planning begins anew.
func (p *Pusher) restart(ctx context.Context, tx pgx.Tx, s *Subscriber, was *subscription, known *past, why string) error {
	from, at, err := p.place(ctx, s, was, known)
	if err != nil {
		return err
	}
	var recovering *int64
	if known.outcomes > 0 {
		end := int64(known.end.Commit)
		recovering = &end
	}
	var seen *string // what an operator wants now and did not then is for the next time
	if was != nil {
		seen = was.resumeFrom
	}
	stream, revision, digest := from.columns()
	now := p.c.Clock()
	_, err = tx.Exec(ctx, `UPDATE ledger_push.subscribers SET planned_commit = $2, planned_prepare = $3, anchor_stream = $4, anchor_revision = $5,
		anchor_digest = $6, added_id = $7, recovering_to = $8, held_at = NULL, held_reason = NULL, resume_from = nullif(resume_from, $9) WHERE name = $1`,
		s.Name, int64(at.Commit), int64(at.Prepare), stream, revision, digest, known.added.ID, recovering, seen)
	if err != nil {
		return err
	}
	if was == nil {
		_, err = tx.Exec(ctx, "UPDATE ledger_push.subscribers SET delivered = $2, disabled_at = $3, disabled_reason = $4 WHERE name = $1",
			s.Name, known.delivered, known.disabledAt, known.disabledReason)
		if err != nil {
			return err
		}
	}
	if was == nil && known.outcomes == 0 {
		return nil // a new one
	}
	actor := system
	if seen != nil && was.resumeActor != nil {
		actor = *was.resumeActor
	}
	return tell(ctx, tx, SubscriberReset, actor, Told{Subscriber: s.Name, Problem: why}, now)
}

// place is where planning begins anew.
func (p *Pusher) place(ctx context.Context, s *Subscriber, was *subscription, known *past) (anchor, eventstore.Position, error) {
	switch {
	case was == nil || was.resumeFrom == nil:
		if s.FromBeginning {
			return anchor{}, eventstore.Position{}, nil
		}
		return anchorOf(known.added), known.added.Position, nil
	case *was.resumeFrom == FromBeginning:
		return anchor{}, eventstore.Position{}, nil
	}
	var before *eventstore.Position
	if *was.resumeFrom != FromNow {
		at, err := eventstore.ParsePosition(*was.resumeFrom)
		if err != nil {
			return anchor{}, eventstore.Position{}, fmt.Errorf("%w %s", errNoPlace, *was.resumeFrom)
		}
		e, err := eventAt(ctx, p.c.Log, at)
		switch {
		case err != nil:
			return anchor{}, eventstore.Position{}, err
		case e == nil:
			return anchor{}, eventstore.Position{}, fmt.Errorf("%w %s", errNoPlace, *was.resumeFrom)
		case isOrders(e.Stream):
			return anchorOf(e), e.Position, nil
		}
		before = &at
	}
	e, err := lastOfOrders(ctx, p.c.Log, before)
	if err != nil || e == nil { // none is the beginning
		return anchor{}, eventstore.Position{}, err
	}
	return anchorOf(e), e.Position, nil
}

// past is what the log tells of a subscription.
type past struct {
	added          *eventstore.RecordedEvent
	end            eventstore.Position // of the stream
	outcomes       int64
	delivered      int64
	disabledAt     *time.Time
	disabledReason *string
}

// settledRows bounds what is kept in memory of a stream that is read.
const settledRows = 1_000

// past reads what the log tells of a subscription, and writes what became of each event to settled when there
// is a transaction.
func (p *Pusher) past(ctx context.Context, name string, tx pgx.Tx) (*past, error) {
	known := &past{}
	batch := map[uuid.UUID]*Told{} // given up; nil is retried by an operator, and Attempt < 0 what is not sent again
	flush := func() error {
		if tx == nil || len(batch) == 0 {
			return nil
		}
		defer clear(batch)
		return writeSettled(ctx, tx, name, batch)
	}
	for e, err := range p.c.Log.ReadStream(ctx, StreamPrefix+name, eventstore.StreamRead{}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) {
			return known, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read what became of webhooks of %s: %w", name, err)
		}
		known.end = e.Position
		var told Told
		if err := json.Unmarshal(e.Data, &told); err != nil {
			return nil, fmt.Errorf("read event %s of stream %s: %w", e.ID, e.Stream, err)
		}
		id, _ := uuid.Parse(told.EventID) // the events of a subscriber have none
		switch e.Type {
		case SubscriberAdded:
			*known = past{added: &e, end: e.Position}
			clear(batch)
			if tx != nil {
				if _, err := tx.Exec(ctx, "DELETE FROM ledger_push.settled WHERE subscriber = $1", name); err != nil {
					return nil, err
				}
			}
		case DeliverySucceeded, DeliveryDiscarded:
			known.outcomes++
			if e.Type == DeliverySucceeded {
				known.delivered++
			}
			told.Attempt = -1
			batch[id] = &told
		case DeliveryGivenUp:
			known.outcomes++
			batch[id] = &told
		case DeliveryRetried:
			batch[id] = nil
		case SubscriberDisabled:
			known.disabledAt, known.disabledReason = &e.Created, &told.Problem
		case SubscriberEnabled:
			known.disabledAt, known.disabledReason = nil, nil
		}
		if len(batch) >= settledRows {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	return known, flush()
}

func writeSettled(ctx context.Context, tx pgx.Tx, name string, batch map[uuid.UUID]*Told) error {
	var statements pgx.Batch
	for id, told := range batch {
		if told == nil {
			statements.Queue("DELETE FROM ledger_push.settled WHERE subscriber = $1 AND event_id = $2", name, id)
			continue
		}
		statements.Queue(`INSERT INTO ledger_push.settled (subscriber, event_id, dead, attempts, status, problem) VALUES ($1, $2, $3, $4, nullif($5, 0), $6)
			ON CONFLICT (subscriber, event_id) DO UPDATE SET dead = excluded.dead, attempts = excluded.attempts, status = excluded.status, problem = excluded.problem`,
			name, id, told.Attempt >= 0, max(told.Attempt, 0), told.Status, told.Problem)
	}
	if err := tx.SendBatch(ctx, &statements).Close(); err != nil {
		return fmt.Errorf("write what became of webhooks of %s: %w", name, err)
	}
	return nil
}

// settled is what the log told of an event that is planned once more.
type settled struct {
	dead     bool
	attempts int
	status   *int
	problem  *string
}

// settledOf tells what is known of events.
func settledOf(ctx context.Context, db Database, name string, ids []uuid.UUID) (map[uuid.UUID]settled, error) {
	rows, err := db.Query(ctx, "SELECT event_id, dead, attempts, status, problem FROM ledger_push.settled WHERE subscriber = $1 AND event_id = ANY ($2)", name, ids)
	if err != nil {
		return nil, fmt.Errorf("read what became of webhooks of %s: %w", name, err)
	}
	found := map[uuid.UUID]settled{}
	var id uuid.UUID
	var s settled
	_, err = pgx.ForEachRow(rows, []any{&id, &s.dead, &s.attempts, &s.status, &s.problem}, func() error {
		found[id] = s
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what became of webhooks of %s: %w", name, err)
	}
	return found, nil
}

// recovered forgets what was only needed to plan anew.
func recovered(ctx context.Context, db Database, name string) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE ledger_push.subscribers SET recovering_to = NULL WHERE name = $1", name)
		if err == nil {
			_, err = tx.Exec(ctx, "DELETE FROM ledger_push.settled WHERE subscriber = $1", name)
		}
		if err != nil {
			return fmt.Errorf("end planning webhooks of %s anew: %w", name, err)
		}
		return nil
	})
}
