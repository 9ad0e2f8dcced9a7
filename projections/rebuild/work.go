package rebuild

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/projections/schema"
)

// Work is a rebuild that is at work, in this or another process.
type Work struct {
	// Doing is run, freeze, verify, swap, rollback, drop, or rebuild for all of it.
	Doing string `json:"doing"`
	Host  string `json:"host"`
	PID   int    `json:"pid"`
	// BeganAt and ToldAt, when it last told how far it is, are by the database's clock, in UTC.
	BeganAt time.Time `json:"began_at"`
	ToldAt  time.Time `json:"told_at"`
	// Progress is nil until the first stage begins.
	Progress *Progress `json:"progress,omitempty"`
}

// AtWork tells which rebuild is at work on a database; nil when none is. What a rebuild left that was killed is no work: its
// lock ended with it.
func AtWork(ctx context.Context, db querier) (*Work, error) {
	rows, err := db.Query(ctx, `SELECT coalesce(w.doing, ''), coalesce(w.host, ''), coalesce(w.pid, 0),
			coalesce(w.began_at, clock_timestamp()), coalesce(w.told_at, clock_timestamp()), w.progress
		FROM (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 1279607879 AND objid = 2 AND granted
		       AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1) held
		LEFT JOIN ledger_control.rebuild_at_work w ON w.backend = held.pid`)
	if err != nil {
		return nil, fmt.Errorf("look for a rebuild at work: %w", err)
	}
	w, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (*Work, error) {
		w := new(Work)
		var progress []byte
		if err := row.Scan(&w.Doing, &w.Host, &w.PID, &w.BeganAt, &w.ToldAt, &progress); err != nil {
			return nil, err
		}
		w.BeganAt, w.ToldAt = w.BeganAt.UTC(), w.ToldAt.UTC()
		if progress == nil {
			return w, nil
		}
		return w, json.Unmarshal(progress, &w.Progress)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for a rebuild at work: %w", err)
	}
	return w, nil
}

// ErrJustSwapped says that another rebuild ended while this one was asked for.
var ErrJustSwapped = errors.New("another rebuild has just put its tables in the place of the live ones, and nothing more was done: run it again to rebuild once more")

// Free returns when no other rebuild is at work; ErrBusy when one is for longer than one that was killed, and ErrJustSwapped when it
// swapped meanwhile.
func (e *Engine) Free(ctx context.Context) error {
	conn, err := e.cfg.Connect(ctx, schema.Live)
	if err != nil {
		return fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, conn)
	before, err := Trace(ctx, conn, 1)
	if err != nil {
		return err
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	late := time.NewTimer(lockPatience)
	defer late.Stop()
	for waited := false; ; waited = true {
		w, err := AtWork(ctx, conn)
		if err != nil {
			return err
		}
		if w == nil && !waited {
			return nil
		}
		if w == nil {
			after, err := Trace(ctx, conn, 1)
			if err == nil && len(after) > 0 && after[0].Doing == "swap" && (len(before) == 0 || !before[0].At.Equal(after[0].At)) {
				err = ErrJustSwapped
			}
			return err
		}
		select {
		case <-tick.C:
		case <-late.C:
			return ErrBusy
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// AtWork is the function of that name for the database of the engine.
func (e *Engine) AtWork(ctx context.Context) (*Work, error) {
	conn, err := e.cfg.Connect(ctx, schema.Live)
	if err != nil {
		return nil, fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, conn)
	return AtWork(ctx, conn)
}

// announceEvery is the time between two tellings of other processes.
const announceEvery = 500 * time.Millisecond

// announce tells other processes how far the work is, until done is called, for whoever holds the lock. The work does not
// depend on it.
func (e *Engine) announce(ctx context.Context, holder *pgx.Conn, doing string) (done func()) {
	conn, err := e.cfg.Connect(ctx, schema.Live)
	if err != nil { // the work itself will say so
		return func() {}
	}
	if err := beginTelling(ctx, conn, holder, doing); err != nil {
		e.untold(ctx, err)
		closeConn(ctx, conn)
		return func() {}
	}
	tellCtx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(announceEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-tellCtx.Done():
				return
			}
			if err := tell(tellCtx, conn, e.progress.now()); err != nil {
				e.untold(tellCtx, err)
				return
			}
		}
	}()
	return func() {
		cancel()
		<-ended
		closeConn(ctx, conn)
	}
}

func (e *Engine) untold(ctx context.Context, err error) {
	if ctx.Err() == nil {
		e.log.WarnContext(ctx, "other processes are not told how far the rebuild is", slog.Any("error", err))
	}
}

func beginTelling(ctx context.Context, conn, holder *pgx.Conn, doing string) error {
	var backend int
	if err := holder.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `INSERT INTO ledger_control.rebuild_at_work (backend, doing, host, pid) VALUES ($1, $2, $3, $4)
		ON CONFLICT (one) DO UPDATE SET backend = excluded.backend, doing = excluded.doing, host = excluded.host, pid = excluded.pid,
			began_at = excluded.began_at, told_at = excluded.told_at, progress = NULL`, backend, doing, host, os.Getpid())
	return err
}

func tell(ctx context.Context, conn *pgx.Conn, p Progress) error {
	if p.Stage == "" {
		return nil
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "UPDATE ledger_control.rebuild_at_work SET progress = $1, told_at = clock_timestamp()", raw)
	return err
}
