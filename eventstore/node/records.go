package node

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/uuid"
)

// pendingKept is how many pending appends a head has room for between two groups.
const pendingKept = 1

// records collects what a group writes to the indexes. It goes into the batch in the order of its keys, because
// a memory table finds the place of a key fast when that is behind the key before it.
type records struct {
	touched   []*streamHead
	directory []*namedHead
	entries   []indexEntry
	ids       []idRecord

	key   [32]byte // scratch space
	value [24]byte
	name  []byte
}

// idRecord is one entry of the event-id index.
type idRecord struct {
	stream   uint64
	id       uuid.UUID
	revision uint64
}

// add takes an append to a stream up, and lets the stream know until clear.
func (r *records) add(h *streamHead, entry indexEntry, ids []uuid.UUID) {
	if len(h.pending) == 0 {
		r.touched = append(r.touched, h)
	}
	h.pending = append(h.pending, pendingAppend{entry: entry, ids: ids})
	r.entries = append(r.entries, entry)
	for i, id := range ids {
		r.ids = append(r.ids, idRecord{stream: entry.stream, id: id, revision: entry.revision + uint64(i)})
	}
}

// addDirectory takes up that the directory has to know a stream as it is at the end of the group.
func (r *records) addDirectory(h *namedHead) { r.directory = append(r.directory, h) }

// writeTo adds all records to a batch: directory, log, event ids, stream index.
func (r *records) writeTo(b *pebble.Batch, frames []liveFrame) error {
	slices.SortFunc(r.directory, func(a, b *namedHead) int { return strings.Compare(a.name, b.name) })
	for _, h := range r.directory {
		dir := directoryEntry{stream: h.stream.id, metadata: h.metadata.id, tombstone: h.tombstone}
		r.name = directoryKey(r.name, h.name)
		if err := b.Set(r.name, dir.appendValue(r.value[:0]), nil); err != nil {
			return fmt.Errorf("directory: %w", err)
		}
	}
	for i := range frames {
		if err := b.Set(eventKey(r.key[:0], frames[i].position), frames[i].frame, nil); err != nil {
			return fmt.Errorf("log: %w", err)
		}
	}
	// Of two events with one id the later one is what the index says.
	slices.SortFunc(r.ids, func(a, b idRecord) int {
		return cmp.Or(cmp.Compare(a.stream, b.stream), bytes.Compare(a.id[:], b.id[:]), cmp.Compare(a.revision, b.revision))
	})
	for i := range r.ids {
		e := &r.ids[i]
		value := binary.BigEndian.AppendUint64(r.value[:0], e.revision)
		if err := b.Set(eventIDKey(r.key[:0], e.stream, e.id), value, nil); err != nil {
			return fmt.Errorf("event ids: %w", err)
		}
	}
	slices.SortFunc(r.entries, func(a, b indexEntry) int {
		return cmp.Or(cmp.Compare(a.stream, b.stream), cmp.Compare(a.revision, b.revision))
	})
	for _, e := range r.entries {
		if err := b.Set(streamKey(r.key[:0], e.stream, e.revision), e.appendValue(r.value[:0]), nil); err != nil {
			return fmt.Errorf("stream index: %w", err)
		}
	}
	return nil
}

// clear forgets everything, once the group is decided.
func (r *records) clear() {
	for _, h := range r.touched {
		clear(h.pending)
		if h.pending = h.pending[:0]; cap(h.pending) > pendingKept {
			h.pending = nil
		}
	}
	clear(r.touched)
	clear(r.directory)
	r.touched, r.directory, r.entries, r.ids = r.touched[:0], r.directory[:0], r.entries[:0], r.ids[:0]
}
