package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
)

// progressPoll is how often a wait for the views looks into the database although this ledger's own
// projector has told nothing: another ledger may be the one that projects.
const progressPoll = 50 * time.Millisecond

// progress wakes who waits for the views when this ledger's projector has committed.
type progress struct {
	mu     sync.Mutex
	at     eventstore.Position
	change chan struct{} // closed at the next commit
}

func newProgress() *progress { return &progress{change: make(chan struct{})} }

func (p *progress) committed(at eventstore.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = at
	close(p.change)
	p.change = make(chan struct{})
}

func (p *progress) read() (at eventstore.Position, change <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at, p.change
}

// reach returns when a commit of ours has reached p, or when the timer fires.
func (p *progress) reach(ctx context.Context, target eventstore.Position, timer <-chan time.Time, change <-chan struct{}) error {
	for {
		select {
		case <-change:
			var at eventstore.Position
			if at, change = p.read(); at.Compare(target) >= 0 {
				return nil
			}
		case <-timer:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// WaitForViews returns when the views show everything up to a position. While the database does not
// answer it asks again until ctx ends; the error then says what stood in the way. Views that another version of the
// program made do not get there before they are rebuilt, which is a *projections.StaleError at once.
func (l *Ledger) WaitForViews(ctx context.Context, p eventstore.Position) error {
	for {
		_, change := l.progress.read() // before looking: what is committed meanwhile wakes us
		missing := l.viewsLack(ctx, p)
		if missing == nil {
			return nil
		}
		if changed := l.Runner.Stale(); len(changed) > 0 && !l.Settings.RebuildIfNeeded {
			return &projections.StaleError{Changed: changed}
		}
		timer := time.NewTimer(progressPoll)
		err := l.progress.reach(ctx, p, timer.C, change)
		timer.Stop()
		if err != nil {
			return fmt.Errorf("wait for position %s: %w: %w", p, err, missing)
		}
	}
}

// viewsLack is nil when the views, as the database shows them, stand at a position or after it.
func (l *Ledger) viewsLack(ctx context.Context, p eventstore.Position) error {
	pool, err := l.Database.Pool()
	if pool == nil {
		return errors.Join(errors.New("the database of the views is not there"), err)
	}
	c, err := checkpoint.Read(ctx, pool)
	if err != nil {
		return err
	}
	if !c.Reached(p) {
		return fmt.Errorf("the views stand at %s", c)
	}
	return nil
}
