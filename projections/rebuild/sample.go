package rebuild

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/schema"
)

// sample is the first of the log, and what a plan measures by it: the seconds that one worker takes to fold an event and to
// write its rows into tables without keys, and those in which the live tables are read as a proof reads them. What was not measured is 0.
type sample struct {
	bulk                      *projections.Bulk
	folding, copying, proving float64
	// counted are the events of the log as far as it was read; whole says that it was read to its end.
	counted int64
	whole   bool
	// compared says that there are live tables, which a proof compares with.
	compared bool
	// bytes is the mean size of an event, data and metadata.
	bytes float64
}

const (
	// sampleEvents and sampleTime bound what is folded.
	sampleEvents = 20_000
	sampleTime   = time.Second
	// sampleBeside bounds it beside a live runner, which is not to wait for it.
	sampleBeside = 2_000
	// A measurement is the median of that of pieces of pieceEvents: others that use the machine for a moment do not count.
	pieceEvents = 1_000
	// The live tables are read in samplePieces places, samplePages pages each; beside a live runner in fewer.
	samplePieces, samplePages       = 12, 512
	samplePiecesBeside, pagesBeside = 6, 128
	sampleTables                    = trialPrefix + "plan"
)

// takeSample folds the beginning of the log; all counts the events of all of it.
func (e *Engine) takeSample(ctx context.Context, all bool) (*sample, error) {
	most := sampleEvents
	if e.cfg.Fresh != nil {
		most = sampleBeside
	}
	s := &sample{bulk: projections.NewBulk(e.cfg.Log)}
	var first []eventstore.RecordedEvent
	bytes := 0
	for message, err := range e.cfg.Log.SubscribeAll(ctx, eventstore.AllSubscription{Filter: eventstore.Filter{StreamPrefixes: projections.ModelPrefixes()}}) {
		if err != nil {
			return nil, fmt.Errorf("read the beginning of the log: %w", err)
		}
		if _, ok := message.(eventstore.CaughtUp); ok {
			s.whole = true
			break
		}
		appeared, ok := message.(eventstore.EventAppeared)
		if !ok {
			continue
		}
		s.counted++
		if len(first) < most {
			first = append(first, appeared.Event)
			bytes += len(appeared.Event.Data) + len(appeared.Event.Metadata)
		} else if !all {
			break
		}
	}
	s.bytes = float64(bytes) / float64(max(1, len(first)))
	return s, s.fold(ctx, first, e.cfg.Clock)
}

func (s *sample) fold(ctx context.Context, first []eventstore.RecordedEvent, clock func() time.Time) error {
	var took []float64
	began := clock()
	for piece := range slices.Chunk(first, pieceEvents) {
		from := clock()
		for i := range piece {
			if err := s.bulk.Add(ctx, &piece[i]); err != nil {
				return fmt.Errorf("fold the beginning of the log: %w", err)
			}
		}
		now := clock()
		took = append(took, now.Sub(from).Seconds()/float64(len(piece)))
		if now.Sub(began) > sampleTime {
			break
		}
	}
	s.folding = median(took)
	return nil
}

// median is 0 of nothing.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// copies is how often the rows are written: a first time would be longer.
const copies = 4

// write measures how long the rows take, in tables that nobody else sees and that are gone afterwards. Rows that are refused, which a
// rebuild parks, are not measured.
func (s *sample) write(ctx context.Context, e *Engine) error {
	if s.bulk.Events() == 0 {
		return nil
	}
	conn, err := e.cfg.Connect(ctx, sampleTables)
	if err != nil {
		return fmt.Errorf("connect to the read models: %w", err)
	}
	defer closeConn(ctx, conn)
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("write the beginning of the log: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err = e.cfg.Tables.Create(ctx, tx, sampleTables); err != nil {
		return err
	}
	if _, err = takeKeys(ctx, tx, sampleTables); err != nil {
		return err
	}
	var took []float64
	for range copies {
		from := e.cfg.Clock()
		err := s.bulk.Copy(ctx, conn, nil)
		var refused *projections.RefusedError
		if errors.As(err, &refused) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("write the beginning of the log: %w", err)
		}
		took = append(took, e.cfg.Clock().Sub(from).Seconds()/float64(s.bulk.Events()))
	}
	s.copying = median(took[1:])
	return nil
}

// read measures how long a proof reads the live tables, by pieces that are spread over all of them. Rows that nobody has read since
// they were written, or that are not in memory, take three times as long.
func (s *sample) read(ctx context.Context, e *Engine) error {
	conn, err := e.snapshot(ctx, schema.Live)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	tables, err := comparedTables(ctx, conn, schema.Live)
	if err != nil {
		return err
	}
	var names, hashes []string
	for i := range tables {
		for _, name := range tables[i].Stored {
			names, hashes = append(names, name), append(hashes, tables[i].Hash)
		}
	}
	sizes, err := pagesOf(ctx, conn, names)
	if err != nil {
		return err
	}
	all := int64(0)
	for _, size := range sizes {
		all += size
	}
	pieces, pages := int64(samplePieces), int64(samplePages)
	if e.cfg.Fresh != nil {
		pieces, pages = samplePiecesBeside, pagesBeside
	}
	took, looked, before := time.Duration(0), int64(0), int64(0)
	next := int64(0) // of the pieces
	for i, size := range sizes {
		for ; next < pieces && next*all/pieces < before+size; next++ {
			from := min(next*all/pieces-before, max(0, size-pages))
			to := min(from+pages, size)
			began := e.cfg.Clock()
			_, err := conn.Exec(ctx, fmt.Sprintf("SELECT count(*), sum(%s) FROM %s t WHERE ctid >= '(%d,0)' AND ctid < '(%d,0)'", hashes[i], column(names[i]), from, to))
			if err != nil {
				return fmt.Errorf("read pieces of %s: %w", names[i], err)
			}
			took += e.cfg.Clock().Sub(began)
			looked += to - from
		}
		before += size
	}
	if looked > 0 {
		s.proving = took.Seconds() / float64(looked) * float64(all)
	}
	return nil
}
