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

// Checkpoint returns the log position that all views stand at, and false before anything was projected.
func (r *Reader) Checkpoint(ctx context.Context) (eventstore.Position, bool, error) {
	c, err := Read(ctx, r.db)
	return c.Position, c.Known, err
}

// WaitFor returns when the views show everything up to p, and with an error when ctx ends first or the
// database does not answer.
func (r *Reader) WaitFor(ctx context.Context, p eventstore.Position) error {
	wait := waitFirst
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		c, err := Read(ctx, r.db)
		if err != nil {
			return fmt.Errorf("wait for position %s: %w", p, err)
		}
		if c.Reached(p) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for position %s, views stand at %s: %w", p, c, context.Cause(ctx))
		case <-timer.C:
			wait = min(2*wait, waitMost)
			timer.Reset(wait)
		}
	}
}
