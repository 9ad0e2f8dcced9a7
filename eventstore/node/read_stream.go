package node

import (
	"context"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/order-ledger/order-ledger/eventstore"
)

// streamScan reads one stream.
type streamScan struct {
	node      *Node
	stream    uint64
	backwards bool
	// low and high are the first and last revision still to be shown; done ends the scan.
	low, high uint64
	done      bool
	notBefore time.Time // age limit; zero is none
	frames    int
	// passedScavenged: an event that was to be shown has been scavenged.
	passedScavenged bool
}

// scanStream looks a stream up as of a head of the log and says which revisions a read shows.
func (n *Node) scanStream(stream string, read eventstore.StreamRead, head uint64) (*streamScan, error) {
	if err := validateStreamName(stream); err != nil {
		return nil, err
	}
	info, err := n.streamInfo(stream, head)
	for errors.Is(err, errReplaced) {
		info, err = n.streamInfo(stream, n.live.head())
	}
	if err != nil {
		return nil, err
	}
	s := &streamScan{
		node: n, stream: info.id, frames: firstChunkFrames, backwards: read.Direction == eventstore.Backwards,
		low: info.first(), high: info.last,
	}
	if info.settings.maxAge > 0 {
		s.notBefore = n.opts.Clock().Add(-info.settings.maxAge)
	}
	if read.From != nil {
		if s.backwards {
			s.high = min(s.high, *read.From)
		} else {
			s.low = max(s.low, *read.From)
		}
	}
	s.done = s.low > s.high
	return s, nil
}

func (s *streamScan) chunk(ctx context.Context, n uint64) (out []window, err error) {
	if s.done {
		return nil, nil
	}
	if err := s.node.useForChunk(ctx); err != nil {
		return nil, err
	}
	defer s.node.releaseChunk()
	it, err := newStreamIterator(s.node.db, s.stream)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	events, bytes := uint64(0), 0
	for ok := s.seek(it); !s.done && len(out) < s.frames && events < n && bytes < chunkBytes; ok = s.step(it) {
		if !ok {
			s.done = true
			break
		}
		entry, err := entryAt(it)
		if err != nil {
			return out, err
		}
		w, err := s.window(entry)
		if err != nil {
			return out, err
		}
		if w.to > w.from {
			out = append(out, w)
			events += uint64(w.to - w.from)
			bytes += len(w.frame.bodies)
		}
	}
	s.frames = chunkFrames
	return out, it.Error()
}

// seek goes to the index entry that holds the next revision to show.
func (s *streamScan) seek(it *pebble.Iterator) bool {
	if s.backwards {
		return it.SeekLT(streamKey(nil, s.stream, s.high+1))
	}
	return it.SeekLT(streamKey(nil, s.stream, s.low+1)) || it.First()
}

func (s *streamScan) step(it *pebble.Iterator) bool {
	if s.backwards {
		return it.Prev()
	}
	return it.Next()
}

// window reads the part of an index entry's frame that is to be shown and moves low or high past it.
func (s *streamScan) window(entry indexEntry) (window, error) {
	from, to := max(s.low, entry.revision), min(s.high, entry.lastRevision())
	if s.backwards {
		s.done = entry.revision <= s.low
		s.high = entry.revision - 1
	} else {
		s.done = entry.lastRevision() >= s.high
		s.low = entry.lastRevision() + 1
	}
	if from > to {
		return window{}, nil
	}
	f, err := getFrame(s.node.db, entry.position)
	if err != nil {
		return window{}, err
	}
	if f.stream != s.stream || f.revision != entry.revision || f.count != int(entry.count) {
		return window{}, &CorruptError{Position: entry.position, Reason: "is not what the stream index says"}
	}
	if f.created.Before(s.notBefore) {
		return window{}, nil
	}
	w := window{frame: f, from: int(from - entry.revision), to: int(to - entry.revision + 1)}
	for i := w.from; i < w.to; i++ {
		s.passedScavenged = s.passedScavenged || f.scavenged(i)
	}
	return w, nil
}

// errReplaced says that metadata as of an earlier head of the log was replaced and scavenged: there is a later head.
var errReplaced = errors.New("the stream's metadata was replaced")

// streamInfo is a stream as of one head of the log.
type streamInfo struct {
	id       uint64
	last     uint64 // revision
	settings streamSettings
}

// first is the first revision that reads show.
func (i streamInfo) first() uint64 {
	first := i.settings.truncateBefore
	if c := i.settings.maxCount; c > 0 && i.last+1 > c {
		first = max(first, i.last+1-c)
	}
	return first
}

// streamInfo looks a stream up as of a head of the log: what is applied but not synced is passed over.
func (n *Node) streamInfo(stream string, head uint64) (info streamInfo, err error) {
	if err := n.use(); err != nil {
		return info, err
	}
	defer n.release()
	name, isMetadata := baseName(stream)
	dir, ok, err := getDirectoryEntry(n.db, name)
	switch {
	case err != nil:
		return info, err
	case !ok:
		return info, eventstore.ErrStreamNotFound
	case dir.tombstone != 0 && dir.tombstone <= head:
		return info, eventstore.ErrStreamDeleted
	}
	newest, hasMetadata, err := n.lastEntryUpTo(dir.metadata, head)
	if err != nil {
		return info, err
	}
	if isMetadata {
		info.settings.maxCount = 1
	} else if hasMetadata {
		f, err := getFrame(n.db, newest.position)
		if err != nil {
			return info, err
		}
		if f.scavenged(f.count - 1) {
			return info, errReplaced
		}
		if info.settings = settingsOf(&f); info.settings.deleted() {
			return info, eventstore.ErrStreamNotFound
		}
	}
	if !isMetadata {
		newest, ok, err = n.lastEntryUpTo(dir.stream, head)
	} else {
		ok = hasMetadata
	}
	if err == nil && !ok {
		err = eventstore.ErrStreamNotFound
	}
	info.id, info.last = newest.stream, newest.lastRevision()
	return info, err
}

// lastEntryUpTo finds the newest index entry of a stream at or before a head.
func (n *Node) lastEntryUpTo(stream, head uint64) (last indexEntry, ok bool, err error) {
	if stream == 0 {
		return last, false, nil
	}
	it, err := newStreamIterator(n.db, stream)
	if err != nil {
		return last, false, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.Last(); ok; ok = it.Prev() {
		if last, err = entryAt(it); err != nil {
			return last, false, err
		}
		if last.lastPosition() <= head {
			return last, true, nil
		}
	}
	return last, false, it.Error()
}
