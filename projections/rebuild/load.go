package rebuild

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
	"github.com/order-ledger/order-ledger/projections/internal/pgcopy"
)

// load folds and writes every unit that is not written yet.
func (e *Engine) load(ctx context.Context, conn *pgx.Conn, set *Set) error {
	// A file that is not there any more, or is damaged, is made again from the log.
	file, err := e.spillLog(ctx, set)
	if err != nil {
		return err
	}
	defer func() { _ = file.close() }()
	if file.events != set.Events {
		return fmt.Errorf("the log has %d events up to %s, and had %d: it is another log", file.events, set.Target, set.Events)
	}
	all := units(&file.raw, e.cfg.UnitBytes)
	done, events, err := loadedPieces(ctx, conn, set.Tables)
	if err != nil {
		return err
	}
	if _, err := e.dropTrials(ctx, conn); err != nil {
		return err
	}
	if e.pace.givesWay() {
		// Keys that are there from the beginning take longer, but in pieces.
		if err := e.makeIndexes(ctx, set); err != nil {
			return err
		}
	}
	e.progress.begin(Loading, uint64(set.Events), events, 0)
	besides := slices.IndexFunc(all, func(u unit) bool { return len(u.parts) == 0 })
	if besides < 0 {
		besides = len(all)
	}
	// Rows of what belongs to no order may be in any part, and none is emptied after it.
	for _, some := range [][]unit{all[:besides], all[besides:]} {
		if err := e.loadUnits(ctx, set, file, some, done); err != nil {
			if errors.Is(err, errSpillDamaged) { // units that are written are right: they were read whole
				err = errors.Join(err, e.removeSpill(set.Tables))
			}
			return err
		}
	}
	if _, events, err = loadedPieces(ctx, conn, set.Tables); err != nil {
		return err
	}
	if events != set.Events {
		return fmt.Errorf("%d of %d events were loaded", events, set.Events)
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return moveStage(ctx, tx, set.Tables, Loading, Indexing) })
	if err != nil {
		return err
	}
	set.Stage = Indexing
	return e.cfg.Reached(ctx, PointLoaded)
}

// loadUnits loads what is left of units, side by side.
func (e *Engine) loadUnits(ctx context.Context, set *Set, file *spill, some []unit, done map[int]bool) error {
	todo := make(chan unit, len(some))
	for _, u := range some {
		todo <- u
	}
	close(todo)
	noted := newHints()
	group, ctx := errgroup.WithContext(ctx)
	for range min(e.cfg.loaders, len(some)) {
		group.Go(func() error {
			worker, err := e.newLoader(ctx, set, file)
			if err != nil {
				return err
			}
			defer closeConn(ctx, worker.conn)
			if err := noted.begin(ctx, worker); err != nil {
				return err
			}
			defer noted.end(worker)
			for u := range todo {
				if err := worker.unit(ctx, u, done); err != nil {
					return err
				}
				if err := noted.committed(ctx, worker); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func loadedPieces(ctx context.Context, conn *pgx.Conn, tables string) (done map[int]bool, events int64, err error) {
	rows, err := conn.Query(ctx, "SELECT unit, events FROM ledger_control.rebuild_units WHERE tables = $1", tables)
	if err != nil {
		return nil, 0, fmt.Errorf("read what is loaded: %w", err)
	}
	done = make(map[int]bool)
	var number, count int64
	_, err = pgx.ForEachRow(rows, []any{&number, &count}, func() error {
		done[int(number)] = true
		events += count
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read what is loaded: %w", err)
	}
	return done, events, nil
}

// loader loads units, one after the other, over a connection of its own.
type loader struct {
	engine *Engine
	set    *Set
	file   *spill
	conn   *pgx.Conn
	bulk   *projections.Bulk
}

func (e *Engine) newLoader(ctx context.Context, set *Set, file *spill) (*loader, error) {
	conn, err := e.cfg.Connect(ctx, set.Tables)
	if err != nil {
		return nil, fmt.Errorf("connect to the read models: %w", err)
	}
	// On disk, so that hints can be set at once. Whoever keeps a copy of the database need not wait for it: a unit that is lost is
	// loaded again.
	if _, err := conn.Exec(ctx, "SET synchronous_commit = local"); err != nil {
		closeConn(ctx, conn)
		return nil, err
	}
	return &loader{engine: e, set: set, file: file, conn: conn, bulk: projections.NewBulk(e.cfg.Log)}, nil
}

// quarantinedMost and besidesBytes bound what belongs to no order in memory; it needs no folding.
const (
	quarantinedMost = 10_000
	besidesBytes    = 32 << 20
)

// foldedAtOnce are the events that are folded between two moments of giving way: some milliseconds.
const foldedAtOnce = 100

// unit loads what is left of a unit.
func (l *loader) unit(ctx context.Context, u unit, done map[int]bool) error {
	var left []piece
	for _, p := range u.pieces {
		if !done[p.number] {
			left = append(left, p)
		}
	}
	untouched := len(u.parts) > 0 && len(left) == len(u.pieces)
	for len(left) > 0 {
		n, err := l.transaction(ctx, u, left, untouched)
		var refused *projections.RefusedError
		if errors.As(err, &refused) {
			if found, judgeErr := l.judge(ctx, left[0].number); judgeErr != nil || !found {
				return errors.Join(fmt.Errorf("no single order is the cause: %w", err), judgeErr)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("load piece %d: %w", left[0].number, err)
		}
		left, untouched = left[n:], false
	}
	return nil
}

// transaction loads the next pieces of a unit: all of them into parts that it empties first, if they are untouched and it has not to give way.
// They need not be logged then where nobody copies the database: they are on disk when the transaction ends. Otherwise it loads one, as
// nothing that is rewritten meanwhile, the live checkpoint above all, can be vacuumed while a transaction is open.
func (l *loader) transaction(ctx context.Context, u unit, left []piece, untouched bool) (loaded int, err error) {
	defer l.engine.pace.alone(ctx)()
	l.engine.background(l.conn)
	w := &writing{loader: l, unit: u, fills: untouched && !l.engine.pace.givesWay()}
	total := int64(0)
	defer func() {
		if err != nil {
			w.rollback(ctx)
			l.engine.progress.add(eventstore.Position{}, -total, 0)
		}
	}()
	for loaded == 0 || (loaded < len(left) && w.fills && !l.engine.pace.givesWay()) {
		n, err := l.piece(ctx, left[loaded], w)
		if err != nil {
			return 0, err
		}
		total += n
		loaded++
	}
	if err := l.engine.cfg.Reached(ctx, PointUnitFolded); err != nil {
		return 0, err
	}
	if err := w.tx.Commit(ctx); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	return loaded, l.engine.cfg.Reached(ctx, PointUnitLoaded)
}

// writing is a transaction that begins when there is something to write.
type writing struct {
	loader *loader
	unit   unit
	fills  bool
	tx     pgx.Tx
}

// write writes the rows that are collected, which are of a part or of none.
func (w *writing) write(ctx context.Context, part int, mine *turn) (err error) {
	l := w.loader
	if w.tx == nil {
		if err := w.begin(ctx); err != nil {
			return err
		}
	}
	var rest pgcopy.Rest
	if l.engine.pace.givesWay() {
		mine.wait(ctx)
		rest = mine.wait
	}
	if w.fills {
		return l.bulk.Fill(ctx, l.conn, part, rest)
	}
	return l.bulk.Copy(ctx, l.conn, rest)
}

// emptySQL waits for whoever reads the parts, but not for a dump of the whole database.
const emptySQL = "SET LOCAL lock_timeout TO '2s'; TRUNCATE %s; SET LOCAL lock_timeout TO DEFAULT"

func (w *writing) begin(ctx context.Context) (err error) {
	if w.tx, err = w.loader.conn.Begin(ctx); err != nil || !w.fills {
		return err
	}
	_, err = w.tx.Exec(ctx, fmt.Sprintf(emptySQL, strings.Join(w.unit.tables(), ", ")))
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "55P03" { // lock not available
		w.fills = false
		return errors.Join(w.tx.Rollback(ctx), w.begin(ctx))
	}
	if err != nil {
		return fmt.Errorf("empty the parts: %w", err)
	}
	return nil
}

func (w *writing) rollback(ctx context.Context) {
	if w.tx != nil {
		_ = w.tx.Rollback(context.WithoutCancel(ctx)) // after a commit it does nothing
	}
}

// piece folds, writes and records a piece, and tells how many events it had.
func (l *loader) piece(ctx context.Context, p piece, w *writing) (events int64, err error) {
	mine := l.engine.pace.turn()
	l.bulk.Reset()
	write := func() error {
		events += int64(l.bulk.Events())
		return w.write(ctx, p.part, mine)
	}
	var last eventstore.Position
	cut := make(gaps)
	for slice := p.first; slice <= p.last; slice++ {
		err := l.file.each(ctx, slice, func(ev *eventstore.RecordedEvent) error {
			if p.shares > 1 {
				if _, hash := sliceOf(ev.Stream); int(hash%uint64(p.shares)) != p.share {
					return nil
				}
			}
			last = ev.Position
			if l.set.RecordedBy != nil && p.part != besidesPart && !cut.follows(ev) {
				events++
				return nil
			}
			if err := l.bulk.Add(ctx, ev); err != nil {
				return err
			}
			if l.bulk.Events()%foldedAtOnce == 0 {
				mine.wait(ctx)
			}
			if p.part != besidesPart || (l.bulk.Events() < quarantinedMost && l.bulk.Bytes() < besidesBytes) {
				return nil
			}
			if err := write(); err != nil {
				return err
			}
			l.bulk.Reset()
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	if err := write(); err != nil {
		return 0, err
	}
	if _, err := w.tx.Exec(ctx, "INSERT INTO ledger_control.rebuild_units (tables, unit, events) VALUES ($1, $2, $3)",
		l.set.Tables, p.number, events); err != nil {
		return 0, fmt.Errorf("record the piece: %w", err)
	}
	l.bulk.Reset()
	mine.wait(ctx)
	l.engine.progress.add(last, events, 0)
	return events, nil
}

// index gives the tables their keys, indexes and statistics, and their place in the log.
func (e *Engine) index(ctx context.Context, conn *pgx.Conn, set *Set) error {
	if err := e.makeKeys(ctx, set); err != nil {
		return err
	}
	worker, err := e.cfg.Connect(ctx, set.Tables)
	if err != nil {
		return fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, worker)
	id, err := projections.EventAt(ctx, e.cfg.Log, set.Target.Commit)
	if err != nil {
		return err
	}
	var seen *checkpoint.Seen
	if id != uuid.Nil {
		seen = &checkpoint.Seen{Position: set.Target.Commit, ID: id}
	}
	err = pgx.BeginFunc(ctx, worker, func(tx pgx.Tx) error {
		if err := projections.MarkParked(ctx, tx); err != nil {
			return err
		}
		at, err := checkpoint.TakeOver(ctx, tx)
		if err != nil {
			return err
		}
		var statements pgx.Batch
		checkpoint.QueueMove(&statements, at, set.Target, seen)
		if err := tx.SendBatch(ctx, &statements).Close(); err != nil {
			return fmt.Errorf("set the checkpoint: %w", err)
		}
		if err := fingerprint.Store(ctx, tx, set.Fingerprint); err != nil {
			return err
		}
		if err := e.cfg.Reached(ctx, PointIndexed); err != nil {
			return err
		}
		return moveStage(ctx, tx, set.Tables, Indexing, Built)
	})
	if err != nil {
		return err
	}
	set.Stage = Built
	return e.cfg.Reached(ctx, PointBuilt)
}
