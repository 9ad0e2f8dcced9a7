package rebuild

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
	"github.com/order-ledger/order-ledger/projections/internal/pgcopy"
	"github.com/order-ledger/order-ledger/projections/parts"
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
	done, events, err := loadedUnits(ctx, conn, set.Tables)
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
	var ofParts, besides []int
	for i, u := range all {
		switch {
		case done[i]:
		case len(u.parts) > 0:
			ofParts = append(ofParts, i)
		default: // its rows may be in any part, none of which is emptied after it
			besides = append(besides, i)
		}
	}
	for _, numbers := range [][]int{ofParts, besides} {
		if err := e.loadUnits(ctx, set, file, all, numbers); err != nil {
			if errors.Is(err, errSpillDamaged) { // units that are written are right: they were read whole
				err = errors.Join(err, e.removeSpill(set.Tables))
			}
			return err
		}
	}
	if _, events, err = loadedUnits(ctx, conn, set.Tables); err != nil {
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

// loadUnits loads some of all units, side by side.
func (e *Engine) loadUnits(ctx context.Context, set *Set, file *spill, all []unit, numbers []int) error {
	todo := make(chan int, len(numbers))
	for _, i := range numbers {
		todo <- i
	}
	close(todo)
	noted := newHints()
	group, ctx := errgroup.WithContext(ctx)
	for range min(e.cfg.loaders, len(numbers)) {
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
			for i := range todo {
				if err := worker.unit(ctx, i, all[i]); err != nil {
					return fmt.Errorf("load unit %d of %d: %w", i+1, len(all), err)
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

func loadedUnits(ctx context.Context, conn *pgx.Conn, tables string) (done map[int]bool, events int64, err error) {
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

func (l *loader) unit(ctx context.Context, number int, u unit) error {
	for {
		err := l.attempt(ctx, number, u)
		var refused *projections.RefusedError
		if !errors.As(err, &refused) {
			return err
		}
		found, judgeErr := l.judge(ctx, number)
		if judgeErr != nil || !found {
			return errors.Join(fmt.Errorf("no single order is the cause: %w", err), judgeErr)
		}
	}
}

// attempt loads a unit in one transaction.
func (l *loader) attempt(ctx context.Context, number int, u unit) (err error) {
	defer l.engine.pace.alone(ctx)()
	l.engine.background(l.conn)
	total := 0
	tx, err := l.begin(ctx, u)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback(context.WithoutCancel(ctx))
			l.engine.progress.add(eventstore.Position{}, -int64(total), 0)
		}
	}()
	for _, p := range u.pieces {
		n, err := l.piece(ctx, p)
		if err != nil {
			return err
		}
		total += n
	}
	if _, err := tx.Exec(ctx, "INSERT INTO ledger_control.rebuild_units (tables, unit, events) VALUES ($1, $2, $3)",
		l.set.Tables, number, total); err != nil {
		return fmt.Errorf("record the unit: %w", err)
	}
	if err := l.engine.cfg.Reached(ctx, PointUnitFolded); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return l.engine.cfg.Reached(ctx, PointUnitLoaded)
}

// begin begins a unit's transaction. A part that is emptied in it need not be logged where nobody copies the database: it is on disk
// when the transaction ends.
func (l *loader) begin(ctx context.Context, u unit) (pgx.Tx, error) {
	tx, err := l.conn.Begin(ctx)
	if err != nil || len(u.parts) == 0 {
		return tx, err
	}
	var names []string
	for _, part := range u.parts {
		for _, table := range parts.Tables {
			names = append(names, parts.Name(table, part))
		}
	}
	if _, err := tx.Exec(ctx, "TRUNCATE "+strings.Join(names, ", ")); err != nil {
		return nil, errors.Join(fmt.Errorf("empty the parts: %w", err), tx.Rollback(context.WithoutCancel(ctx)))
	}
	return tx, nil
}

// piece folds and writes a piece, and tells how many events it had.
func (l *loader) piece(ctx context.Context, p piece) (events int, err error) {
	mine := l.engine.pace.turn()
	l.bulk.Reset()
	write := func() error {
		events += l.bulk.Events()
		var rest pgcopy.Rest
		if l.engine.pace.givesWay() {
			mine.wait(ctx)
			rest = mine.wait
		}
		if p.part == besidesPart {
			return l.bulk.Copy(ctx, l.conn, rest)
		}
		return l.bulk.Fill(ctx, l.conn, p.part, rest)
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
	l.bulk.Reset()
	mine.wait(ctx)
	l.engine.progress.add(last, int64(events), 0)
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
