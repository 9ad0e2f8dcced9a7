package node

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"github.com/order-ledger/order-ledger/eventstore"
)

// A read takes chunks out of the database and hands them out without holding on to it, so that a
// slow consumer pins neither files nor Close. The log never changes below the head that was fixed at
// the start of the read, so the chunks are one consistent cut.
const (
	firstChunkFrames = 16 // a reader of one short stream should not pay for a long one
	chunkFrames      = 1024
	chunkBytes       = 256 << 10
	// chunksAtOnce bounds the chunks that are being taken out of the database at a time: however many readers there are,
	// each has been seen to have its chunk, and been held to account for it, before many more have theirs.
	chunksAtOnce = 32
	passedMax    = 16 << 10
)

// ReadStream implements eventstore.Reader. What it shows is bounded by the stream's metadata, as of
// the start of the sequence: see SetStreamMetadata.
func (n *Node) ReadStream(ctx context.Context, stream string, read eventstore.StreamRead) iter.Seq2[eventstore.RecordedEvent, error] {
	return func(yield func(eventstore.RecordedEvent, error) bool) {
		for {
			scavenged, shown := n.scavenged.Load(), false
			scan, err := n.scanStream(stream, read, n.live.head())
			if err == nil {
				err = drain(ctx, scan, read.Direction, read.Count, func(e eventstore.RecordedEvent, err error) bool {
					shown = true
					return yield(e, err)
				})
			}
			if err != nil {
				yield(eventstore.RecordedEvent{}, fmt.Errorf("read stream %q: %w", stream, err))
			}
			// What this read was to show may have been replaced and scavenged since it began: there is something newer then.
			if err != nil || shown || !scan.passedScavenged || n.scavenged.Load() == scavenged {
				return
			}
		}
	}
}

// ReadAll implements eventstore.Reader. It shows the log as of the start of the sequence, without the
// state of persistent subscriptions to $all.
func (n *Node) ReadAll(ctx context.Context, read eventstore.AllRead) iter.Seq2[eventstore.RecordedEvent, error] {
	return func(yield func(eventstore.RecordedEvent, error) bool) {
		scan, err := n.scanAll(read)
		if err == nil {
			err = drain(ctx, scan, read.Direction, read.Count, yield)
		}
		if err != nil {
			yield(eventstore.RecordedEvent{}, fmt.Errorf("read $all: %w", err))
		}
	}
}

// window is the part of a frame that a read shows: the events from one ordinal to before another.
type window struct {
	frame    decodedFrame
	from, to int
}

// nothingLeft tells whether all events of the window are scavenged.
func (w *window) nothingLeft() bool {
	for i := w.from; i < w.to; i++ {
		if !w.frame.scavenged(i) {
			return false
		}
	}
	return true
}

// scan takes events out of the database, chunk by chunk.
type scan interface {
	// chunk returns the next windows, about as many as hold n events, and none at the end. With an
	// error it returns what could be read before it.
	chunk(ctx context.Context, n uint64) ([]window, error)
}

// errStopped ends a sequence whose consumer has had enough.
var errStopped = errors.New("consumer stopped")

// drain yields what a scan finds, at most count events unless count is 0. It returns nil when it ended
// or the consumer stopped.
func drain(
	ctx context.Context, s scan, direction eventstore.Direction, count uint64,
	yield func(eventstore.RecordedEvent, error) bool,
) error {
	left := count
	if count == 0 {
		left = math.MaxUint64
	}
	for left > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		windows, err := s.chunk(ctx, left)
		for i := range windows {
			if !windows[i].each(direction, &left, func(e eventstore.RecordedEvent) bool { return yield(e, nil) }) {
				return nil
			}
		}
		if err != nil || len(windows) == 0 {
			return err
		}
	}
	return nil
}

// each shows the window's events in the order of a direction, at most *left of them, which it counts
// down. It returns false when show did.
func (w *window) each(direction eventstore.Direction, left *uint64, show func(eventstore.RecordedEvent) bool) bool {
	w.frame.skip(w.from)
	if direction == eventstore.Forwards {
		for i := w.from; i < w.to && *left > 0; i++ {
			if w.frame.scavenged(i) {
				w.frame.skip(1)
				continue
			}
			*left--
			if !show(w.frame.read()) {
				return false
			}
		}
		return true
	}
	events := w.frame.all()[:w.to-w.from]
	for i := len(events) - 1; i >= 0 && *left > 0; i-- {
		if w.frame.scavenged(w.from + i) {
			continue
		}
		*left--
		if !show(events[i]) {
			return false
		}
	}
	return true
}

// logScan reads $all.
type logScan struct {
	node      *Node
	head      uint64
	backwards bool
	// next is the first position to show; backwards, the position before which to go on.
	next   uint64
	frames int // of the next chunk
	buffer []window
}

func (n *Node) scanAll(read eventstore.AllRead) (*logScan, error) {
	s := &logScan{node: n, head: n.live.head(), frames: firstChunkFrames}
	s.backwards = read.Direction == eventstore.Backwards
	if s.backwards {
		s.next = s.head + 1
	}
	if read.From == nil {
		return s, nil
	}
	if err := validatePosition(*read.From, s.head+1); err != nil {
		return nil, err
	}
	s.next = read.From.Commit
	return s, nil
}

// validatePosition refuses what this log never handed out: it is most likely of another one, or of a
// copy that knew more, and silence would hide that.
func validatePosition(p eventstore.Position, greatest uint64) error {
	switch {
	case p.Commit < p.Prepare:
		return fmt.Errorf("%w: position %s has its commit before its prepare", eventstore.ErrInvalid, p)
	case p.Commit > greatest:
		return fmt.Errorf("%w: position %s is beyond the end of the log", eventstore.ErrInvalid, p)
	}
	return nil
}

// chunk implements scan. It lets go of the database from time to time also where much is scavenged or hidden.
func (s *logScan) chunk(ctx context.Context, n uint64) ([]window, error) {
	for {
		out, passed, err := s.part(ctx, n)
		if len(out) > 0 || passed == 0 || err != nil {
			return out, err
		}
	}
}

// part is a chunk that passes no more than passedMax frames; passed is how many.
func (s *logScan) part(ctx context.Context, n uint64) (out []window, passed int, err error) {
	if s.head == 0 || s.next > s.head && !s.backwards || s.next <= 1 && s.backwards {
		return nil, 0, nil
	}
	if err := s.node.useForChunk(ctx); err != nil {
		return nil, 0, err
	}
	defer s.node.releaseChunk()
	it, err := s.node.db.NewIter(&pebble.IterOptions{
		LowerBound: []byte{keyEvents}, UpperBound: eventKey(nil, s.head+1),
	})
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	out = s.buffer[:0]
	defer func() { s.buffer = out }()
	events, bytes := uint64(0), 0
	for ok := s.seek(it); ok && len(out) < s.frames && events < n && bytes < chunkBytes && passed < passedMax; ok = s.step(it) {
		passed++
		pos, err := parseEventKey(it.Key())
		if err != nil {
			return out, passed, err
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return out, passed, err
		}
		w := window{}
		if w.frame, err = decodeFrame(pos, v); err != nil {
			return out, passed, err
		}
		if w.to = w.frame.count; s.backwards {
			w.to = int(min(uint64(w.to), s.next-pos))
			s.next = pos
		} else {
			w.from = int(max(s.next, pos) - pos)
			s.next = pos + uint64(w.frame.count)
		}
		if hiddenInAll(w.frame.name) || w.nothingLeft() {
			continue
		}
		out = append(out, w)
		events += uint64(w.to - w.from)
		bytes += len(v)
	}
	s.frames = chunkFrames
	return out, passed, it.Error()
}

// useForChunk is use for a scan, of which chunksAtOnce go on at a time.
func (n *Node) useForChunk(ctx context.Context) error {
	select {
	case n.chunks <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := ctx.Err() // it may have ended while it waited
	if err == nil {
		err = n.use()
	}
	if err != nil {
		<-n.chunks
	}
	return err
}

func (n *Node) releaseChunk() {
	n.release()
	<-n.chunks
}

// seek goes to the frame that holds the next event to show.
func (s *logScan) seek(it *pebble.Iterator) bool {
	if s.backwards {
		return it.SeekLT(eventKey(nil, s.next))
	}
	return it.SeekLT(eventKey(nil, s.next+1)) || it.First()
}

func (s *logScan) step(it *pebble.Iterator) bool {
	if s.backwards {
		return it.Prev()
	}
	return it.Next()
}
