package rebuild

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/order-ledger/order-ledger/projections/schema"
)

// countEvery is the time between two counts of what the live tables were shown, countFirst that before the first, countMost
// what is counted at once.
const (
	countEvery = 250 * time.Millisecond
	countFirst = 100 * time.Millisecond
	countMost  = 1000
)

// watch tells the pace how many events come to the live tables, until done is called. They are counted there, as another
// process may be the one that projects.
func (e *Engine) watch(ctx context.Context) (done func()) {
	calm := func() {}
	if e.cfg.Watched != nil {
		calm = e.cfg.Watched()
	}
	conn, err := e.cfg.Connect(ctx, schema.Live)
	if err != nil { // the work itself will say so
		return calm
	}
	c := counter{pace: e.pace, conn: conn}
	if err := c.begin(ctx); err != nil {
		e.uncounted(ctx, err)
		closeConn(ctx, conn)
		return calm
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer closeConn(ctx, conn)
		for {
			if err := c.count(ctx, countEvery); err != nil {
				e.uncounted(ctx, err)
				return
			}
		}
	}()
	return func() {
		cancel()
		<-ended
		calm()
	}
}

func (e *Engine) uncounted(ctx context.Context, err error) {
	e.pace.uncounted()
	if ctx.Err() == nil {
		e.log.WarnContext(ctx, "events of the live tables are not counted", slog.Any("error", err))
	}
}

// tidyEvery is the time between two tidyings of the live checkpoint.
const tidyEvery = time.Second

// counter counts the events in the live tables after a position.
type counter struct {
	pace *pace
	conn *pgx.Conn
	at   int64
	last time.Time
	// tidied is when the live checkpoint was tidied last.
	tidied time.Time
}

// begin counts for a moment, so that it is known from the beginning whether any come.
func (c *counter) begin(ctx context.Context) error {
	if err := c.conn.QueryRow(ctx, "SELECT coalesce(max(position), 0) FROM order_history").Scan(&c.at); err != nil {
		return err
	}
	c.last = time.Now()
	return c.count(ctx, countFirst)
}

func (c *counter) count(ctx context.Context, after time.Duration) error {
	timer := time.NewTimer(after)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	var events int64
	err := c.conn.QueryRow(ctx, `SELECT count(*), coalesce(max(position), $1) FROM
		(SELECT position FROM order_history WHERE position > $1 ORDER BY position LIMIT $2) newer`, c.at, countMost).Scan(&events, &c.at)
	if err != nil {
		return err
	}
	now := time.Now()
	c.pace.saw(events, now.Sub(c.last), now)
	c.last = now
	return c.tidy(ctx, now)
}

// tidy has the pages of the live checkpoint used again, while the rebuild gives way. That row is written hundreds of times a second, and
// as long as a transaction of a unit lasts no earlier version of it can be removed; without this each unit leaves the
// table larger, and whoever looks where the read models stand reads all of it, until long after the rebuild.
func (c *counter) tidy(ctx context.Context, now time.Time) error {
	if !c.pace.givesWay() || now.Sub(c.tidied) < tidyEvery {
		return nil
	}
	c.tidied = now
	// It takes no lock that anybody else waits for.
	_, err := c.conn.Exec(ctx, "VACUUM (SKIP_LOCKED, TRUNCATE false) checkpoint")
	var refused *pgconn.PgError
	if errors.As(err, &refused) { // a statement_timeout, for one: what has to be counted is counted all the same
		return nil
	}
	return err
}
