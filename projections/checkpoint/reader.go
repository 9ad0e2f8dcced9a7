package checkpoint

import (
	"context"
	"fmt"
	"time"

	"github.com/order-ledger/order-ledger/eventstore"
)

// Waiting looks at the checkpoint often at first, for the usual case that the views are milliseconds
// behind, and then less often.
const (
	waitFirst = 2 * time.Millisecond
	waitMost  = 100 * time.Millisecond
)

// Reader answers where the views stand.
type Reader struct{ db Querier }

// NewReader makes a Reader on a pool or a connection.
func NewReader(db Querier) *Reader { return &Reader{db: db} }

// Checkpoint returns the log position that all views stand at, and false before anything was
// projected.
func (r *Reader) Checkpoint(ctx context.Context) (eventstore.Position, bool, error) {
	c, err := Read(ctx, r.db)
	return c.Position, c.Known, err
}

// WaitFor returns when the views show everything up to p. While the database does not answer it
// asks again, as the runner does; the only end without success is ctx's, and the error then says
// what stood in the way.
func (r *Reader) WaitFor(ctx context.Context, p eventstore.Position) error {
	wait := waitFirst
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		c, err := Read(ctx, r.db)
		if err == nil && c.Reached(p) {
			return nil
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("the views stand at %s", c)
			}
			return fmt.Errorf("wait for position %s: %w: %w", p, context.Cause(ctx), err)
		case <-timer.C:
			wait = min(2*wait, waitMost)
			timer.Reset(wait)
		}
	}
}
