package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/history"
	"github.com/order-ledger/order-ledger/projections/journal"
	"github.com/order-ledger/order-ledger/projections/parked"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// Runner keeps the read models of one database up with one log. See the package comment.
type Runner struct {
	cfg     Config
	log     *slog.Logger
	status  *statusBoard
	verdict *verdict
}

// NewRunner checks the configuration and makes a Runner; Run starts it.
func NewRunner(cfg Config) (*Runner, error) {
	full, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Runner{
		cfg: full, log: full.Logger.With(slog.String("worker", "projections")),
		status: newStatusBoard(full.Clock), verdict: newVerdict(),
	}, nil
}

// Run projects until ctx ends, and then returns nil. It goes on after every failure of the database
// or the log, from the stored checkpoint; the only errors it returns are ErrCheckpointMismatch and
// ErrForeignLog. It may be called once.
func (r *Runner) Run(ctx context.Context) error {
	defer r.status.change(func(st *Status) { st.Role, st.Live = Stopped, false })
	failures := 0
	for {
		led, err := r.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, ErrCheckpointMismatch) || errors.Is(err, ErrForeignLog) {
			r.status.failed(err)
			return err
		}
		var stale *StaleError
		if errors.As(err, &stale) {
			if !r.waitForRebuild(ctx, stale) {
				return nil
			}
			failures = 0
			continue
		}
		if led {
			failures = 0
		}
		failures++
		err = schema.ExplainFull(err, "the views go on by themselves")
		r.status.failed(err)
		pause := r.backoff(failures)
		if errors.Is(err, errOvertaken) {
			r.log.InfoContext(ctx, "the tables were exchanged, or another ledger took over: beginning anew", slog.Duration("retry_in", pause))
		} else {
			r.log.WarnContext(ctx, "projecting was interrupted",
				slog.Any("error", err), slog.Int("failures", failures), slog.Duration("retry_in", pause))
		}
		if !wait(ctx, pause) {
			return nil
		}
	}
}

// backoff doubles with each failure in a row up to its limit, and is spread over its upper half so
// that several ledgers do not come back at the same time.
func (r *Runner) backoff(failures int) time.Duration {
	pause := r.cfg.BackoffFirst << min(failures-1, 16)
	pause = min(pause, r.cfg.BackoffMost)
	return pause/2 + rand.N(pause/2+1)
}

// wait reports whether the time passed before ctx ended.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// closeTimeout bounds saying good-bye to the database.
const closeTimeout = 2 * time.Second

// session is one connection's life: waiting to lead, leading, and the end of it. led tells whether it
// wrote anything.
func (r *Runner) session(ctx context.Context) (led bool, err error) {
	conn, err := r.cfg.Connect(ctx)
	if err != nil {
		return false, fmt.Errorf("connect to the read models: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = conn.Close(ctx) // whatever it says, the session ends with the connection
	}()
	if err := r.becomeLeader(ctx, conn); err != nil {
		return false, err
	}
	if err := RecogniseLog(ctx, conn, r.cfg.Log); err != nil {
		return false, err
	}
	if err := sayWhoWrites(ctx, conn); err != nil {
		return false, err
	}
	if err := r.recogniseRows(ctx, conn); err != nil {
		var stale *StaleError
		if errors.As(err, &stale) {
			if err := r.noteStanding(ctx, conn); err != nil {
				return false, err
			}
		}
		return false, err
	}
	at, err := checkpoint.TakeOver(ctx, conn)
	if err != nil {
		return false, err
	}
	r.cfg.Passed(PointLeading)
	held, err := parked.List(ctx, conn)
	if err != nil {
		return false, err
	}
	r.status.change(func(st *Status) {
		st.Role, st.Live, st.Checkpoint, st.Parked, st.Changed, st.recognised = Leader, false, at, len(held), nil, true
	})
	r.log.InfoContext(ctx, "leading", slog.String("from", at.String()), slog.Int64("epoch", at.Epoch),
		slog.Int("parked_orders", len(held)))

	err = r.lead(ctx, conn, at, held, nil)
	now := r.status.read().Checkpoint // in quiet times nothing but it is written
	led = now.Known && (!at.Known || now.Position.Compare(at.Position) > 0)

	var refused *refusedError
	if errors.As(err, &refused) && ctx.Err() == nil {
		return led, r.judge(ctx, conn, refused)
	}
	return led, err
}

// judge finds out for which orders a batch was refused; the next session parks them.
func (r *Runner) judge(ctx context.Context, conn *pgx.Conn, refused *refusedError) error {
	i := isolator{log: r.cfg.Log, conn: conn, into: r.verdict}
	found, err := i.isolate(ctx, refused.batch)
	if err != nil {
		return fmt.Errorf("look for the cause of %w: %w", refused, err)
	}
	if !found {
		return fmt.Errorf("no single order is the cause: %w", refused)
	}
	return refused
}

// lead runs feed, fold and write side by side until one of them ends; with an end, until everything up
// to it is written.
func (r *Runner) lead(
	ctx context.Context, conn *pgx.Conn, at checkpoint.Checkpoint, held []parked.Order, end *eventstore.Position,
) error {
	most := 2 * int64(r.cfg.BatchBytes)
	budget := semaphore.NewWeighted(most)
	items := make(chan *item, r.cfg.BatchEvents)
	free := make(chan struct{})
	batches := make(chan *batch)
	spare := make(chan *history.Rows, 2) // one is being written, one is being folded

	calendar, err := journal.Calendar(ctx, r.cfg.Log)
	if err != nil {
		return err
	}
	f := &folder{
		calendar: calendar,
		cfg:      &r.cfg, log: r.log, budget: budget, status: r.status, verdict: r.verdict, seen: at,
		cache:  newStateCache(r.cfg.CachedOrders, r.cfg.CacheBytes),
		parked: make(map[string]*parked.Order, len(held)), spare: spare,
	}
	for i := range held {
		f.parked[held[i].Stream] = &held[i]
	}
	w := &writer{cfg: &r.cfg, conn: conn, status: r.status, at: at, end: end, spare: spare}

	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return feed(groupCtx, r.cfg.Log, at, end, budget, most, items) })
	group.Go(func() error { return f.run(groupCtx, items, free, batches) })
	group.Go(func() error { return w.run(groupCtx, free, batches) })
	if err := group.Wait(); !errors.Is(err, errAtEnd) {
		return err
	}
	return nil
}

// Status tells how the runner is. It asks the log for its head; when the log does not answer, Head
// is zero and Behind is true.
func (r *Runner) Status(ctx context.Context) Status {
	st := r.status.read()
	head, written, err := r.cfg.Log.Head(ctx)
	if err != nil {
		st.Behind = true
		return st
	}
	st.Head = head
	st.Behind = written && !st.Checkpoint.Reached(head)
	return st
}
