package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/eventstore"
)

// dispatch sends what is due.
func (p *Pusher) dispatch(ctx context.Context, s *Subscriber, wake <-chan struct{}) error {
	to := newSender(s, p.c.Clock)
	defer to.close()
	orders, err := newOrders(p.c.Log)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		pool, err := p.pool()
		if err != nil {
			return err
		}
		now := p.c.Clock()
		due, err := claim(ctx, pool, s, s.Concurrency*claimPerWorker, now, now.Add(s.Timeout*claimPerWorker+lookAgain))
		if err != nil {
			return err
		}
		if len(due) == 0 {
			timer := time.NewTimer(lookAgain)
			select {
			case <-timer.C:
			case <-wake:
			case <-ctx.Done():
			}
			timer.Stop()
			continue
		}
		for i := range due {
			if due[i].body == nil {
				if err := p.makeBody(ctx, s, orders, &due[i]); err != nil {
					return err // the deliveries are due again later
				}
			}
		}
		if err := p.deliver(ctx, pool, s, to, due); err != nil {
			return err
		}
	}
	return nil
}

// makeBody makes the body of a delivery that had none because its event could not be read.
func (p *Pusher) makeBody(ctx context.Context, s *Subscriber, orders *orders, d *delivery) error {
	for e, err := range p.c.Log.ReadStream(ctx, d.stream, eventstore.StreamRead{From: &d.revision, Count: 1}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) || errors.Is(err, eventstore.ErrStreamDeleted) {
			break
		}
		if err != nil {
			return fmt.Errorf("read stream %s: %w", d.stream, err)
		}
		row, err := compose(ctx, s, orders, &e)
		var unreadable *unreadableError
		switch {
		case errors.As(err, &unreadable):
			d.cannot = unreadable.Error()
		case err != nil:
			return err
		case row == nil:
			d.unwanted = true
		default:
			text := string(row.body)
			d.body, d.made, d.orderID, d.name = row.body, &text, row.orderID, row.name
		}
		return nil
	}
	d.cannot = "its event is not in the log"
	return nil
}

// deliver makes one attempt of each, side by side, and records what became of them.
func (p *Pusher) deliver(ctx context.Context, pool *pgxpool.Pool, s *Subscriber, to *sender, due []delivery) error {
	results := make([]result, len(due))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(s.Concurrency, len(due)) {
		workers.Go(func() {
			for i := range next {
				results[i] = p.attempt(ctx, s, to, due[i])
			}
		})
	}
	for i := range due {
		next <- i
	}
	close(next)
	workers.Wait()
	if ctx.Err() != nil { // what was cut off is as if it had not been taken
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookAgain)
		defer cancel()
		done := slices.DeleteFunc(slices.Clone(results), func(r result) bool { return !r.outcome.delivered })
		if len(done) > 0 {
			if _, err := record(stopping, pool, s, done); err != nil {
				return err // it is sent again
			}
		}
		return release(stopping, pool, due, p.c.Clock())
	}
	for i := range results {
		if results[i].tried() {
			p.c.Sent(s.Name, results[i].outcome.delivered)
		}
	}
	disabled, err := record(ctx, pool, s, results)
	if disabled != "" {
		p.c.Logger.ErrorContext(ctx, "a subscriber of webhooks is disabled", slog.String("subscriber", s.Name), slog.String("reason", disabled))
	}
	return err
}

func (p *Pusher) attempt(ctx context.Context, s *Subscriber, to *sender, d delivery) result {
	r := result{delivery: d, at: p.c.Clock()}
	if d.cannot != "" {
		r.outcome.problem = d.cannot
	}
	if !r.tried() {
		return r
	}
	r.outcome = to.send(ctx, d.eventID.String(), d.body)
	r.at = p.c.Clock()
	if !r.outcome.delivered && !r.outcome.gone {
		if wait, again := s.Retry.next(d.attempts+1, d.eventID.String()); again {
			r.again = r.at.Add(wait)
		}
	}
	return r
}
