package rebuild

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
)

func (e *Engine) spillPath(tables string) string {
	return filepath.Join(e.cfg.Dir, tables+".spill")
}

func (e *Engine) removeSpill(tables string) error {
	if err := os.Remove(e.spillPath(tables)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the spilled events: %w", err)
	}
	return nil
}

// spill sorts the log up to the target by slices into the file.
func (e *Engine) spill(ctx context.Context, conn *pgx.Conn, set *Set) error {
	file, err := e.spillLog(ctx, set)
	if err != nil {
		return err
	}
	events := file.events
	if err := file.close(); err != nil {
		return fmt.Errorf("close the spilled events: %w", err)
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE ledger_control.rebuilds SET events = $2 WHERE tables = $1", set.Tables, events); err != nil {
			return err
		}
		return moveStage(ctx, tx, set.Tables, Spilling, Loading)
	})
	if err != nil {
		return err
	}
	set.Stage, set.Events = Loading, events
	return e.cfg.Reached(ctx, PointSpilled)
}

// spillLog returns the file with everything up to the target, which the caller closes.
func (e *Engine) spillLog(ctx context.Context, set *Set) (_ *spill, err error) {
	if err := os.MkdirAll(e.cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of spilled events: %w", err)
	}
	file, err := openSpill(e.spillPath(set.Tables))
	if err == nil && file.known && file.at.Compare(set.Target) > 0 { // of tables of the same name that were dropped
		if err = errors.Join(file.close(), e.removeSpill(set.Tables)); err == nil {
			file, err = openSpill(e.spillPath(set.Tables))
		}
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.close())
		}
	}()
	if file.known && file.at.Compare(set.Target) >= 0 {
		return file, nil
	}
	w, err := newSpiller(file)
	if err != nil {
		return nil, err
	}
	return file, e.readInto(ctx, w, set)
}

// blockEvents bounds the events that are handed from the reader of the log to the writer of the file at once,
// between two moments of giving way.
const blockEvents = 1024

// chunksWaiting are between the sorter of events and the writer of the file.
const chunksWaiting = 32

// readInto spills the events that count from where the file ends up to the target, with a mark there. Reading,
// sorting and writing go side by side.
func (e *Engine) readInto(ctx context.Context, w *spiller, set *Set) error {
	e.progress.begin(Spilling, set.Target.Commit, int64(w.spill.at.Commit), 0)
	blocks := make(chan []eventstore.RecordedEvent, 2)
	chunks, free := make(chan filled, chunksWaiting), make(chan []byte, chunksWaiting)
	group, ctx := errgroup.WithContext(ctx)
	from, known := w.spill.at, w.spill.known
	whole := false // known when blocks is closed
	group.Go(func() error {
		defer close(blocks)
		err := e.readLog(ctx, from, known, set, blocks)
		whole = err == nil
		return err
	})
	group.Go(func() error {
		defer close(chunks)
		s := &sorter{filled: chunks, free: free}
		if err := e.sortInto(ctx, s, blocks); err != nil || !whole {
			return err
		}
		return s.mark(ctx, set.Target)
	})
	group.Go(func() error {
		mine := e.pace.turn()
		for f := range chunks {
			mine.resume()
			if err := e.append(ctx, w, f); err != nil {
				return err
			}
			if f.raw != nil {
				select {
				case free <- f.raw[:0]:
				default:
				}
			}
			mine.wait(ctx)
		}
		return nil
	})
	return group.Wait()
}

// append appends a chunk or a mark.
func (e *Engine) append(ctx context.Context, w *spiller, f filled) error {
	if f.mark == nil {
		return w.chunk(f)
	}
	if err := w.mark(*f.mark); err != nil {
		return err
	}
	return e.cfg.Reached(ctx, PointMarked)
}

// sortInto sorts blocks of events, with a mark now and then.
func (e *Engine) sortInto(ctx context.Context, s *sorter, blocks <-chan []eventstore.RecordedEvent) error {
	mine := e.pace.turn()
	for block := range blocks {
		mine.resume()
		for i := range block {
			if err := s.add(ctx, &block[i]); err != nil {
				return err
			}
		}
		last := block[len(block)-1].Position
		e.progress.add(last, int64(len(block)), int64(last.Commit))
		if s.unmarked >= e.cfg.MarkEvery {
			if err := s.mark(ctx, last); err != nil {
				return err
			}
		}
		mine.wait(ctx)
	}
	return nil
}

func (e *Engine) readLog(ctx context.Context, from eventstore.Position, known bool, set *Set, blocks chan<- []eventstore.RecordedEvent) error {
	var read eventstore.AllRead
	if known {
		read.From = &from
	}
	prefixes := projections.ModelPrefixes()
	block := make([]eventstore.RecordedEvent, 0, blockEvents)
	mine := e.pace.turn()
	send := func() error {
		if len(block) == 0 {
			return nil
		}
		select {
		case blocks <- block:
		case <-ctx.Done():
			return ctx.Err()
		}
		block = make([]eventstore.RecordedEvent, 0, blockEvents)
		mine.wait(ctx)
		return nil
	}
	for ev, err := range e.cfg.Log.ReadAll(ctx, read) {
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		if ev.Position.Compare(set.Target) > 0 {
			break
		}
		if known && ev.Position.Compare(from) <= 0 {
			continue
		}
		if !slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(ev.Stream, prefix) }) || !set.counts(&ev) {
			continue
		}
		if block = append(block, ev); len(block) >= int(min(blockEvents, e.cfg.MarkEvery)) {
			if err := send(); err != nil {
				return err
			}
		}
	}
	return send()
}
