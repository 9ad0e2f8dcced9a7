package node

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/uuid"
)

// history looks up what a stream holds already. It sees all that was decided before, whether it is
// synced, applied, or still in the group that is being decided.
type history struct {
	db      *pebble.DB
	lookups *lookups
	newIDs  *newIDs
	key     []byte
}

// revisionOf returns the newest revision of an event id in a stream.
func (p *history) revisionOf(h *streamHead, id uuid.UUID) (revision uint64, found bool, err error) {
	if !p.newIDs.mayHold(h.id, id) {
		return 0, false, nil
	}
	for i := len(h.pending) - 1; i >= 0; i-- {
		for ordinal, other := range h.pending[i].ids {
			if other == id {
				return h.pending[i].entry.revision + uint64(ordinal), true, nil
			}
		}
	}
	p.key = eventIDKey(p.key, h.id, id)
	v, found, err := p.lookups.get(p.key)
	if err != nil {
		return 0, false, fmt.Errorf("look up event id: %w", err)
	}
	if !found {
		return 0, false, nil
	}
	if len(v) != 8 {
		return 0, false, fmt.Errorf("look up event id: malformed entry %x", v)
	}
	return binary.BigEndian.Uint64(v), true, nil
}

// idsFrom returns up to n ids of a stream's events, from a revision on.
func (p *history) idsFrom(h *streamHead, revision uint64, n int) (ids []uuid.UUID, err error) {
	it, err := newStreamIterator(p.db, h.id)
	if err != nil {
		return nil, fmt.Errorf("read stream index: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	// The entry that holds the revision is the last one that begins at or before it.
	for ok := it.SeekLT(streamKey(nil, h.id, revision+1)) || it.Next(); ok && len(ids) < n; ok = it.Next() {
		entry, err := entryAt(it)
		if err != nil {
			return nil, err
		}
		f, err := getFrame(p.db, entry.position)
		if err != nil {
			return nil, err
		}
		for ordinal := range f.count {
			if entry.revision+uint64(ordinal) >= revision && len(ids) < n {
				ids = append(ids, uuid.UUID(f.events[ordinal*frameEventBytes:][:16]))
			}
		}
	}
	for _, a := range h.pending {
		for ordinal, id := range a.ids {
			if a.entry.revision+uint64(ordinal) >= revision && len(ids) < n {
				ids = append(ids, id)
			}
		}
	}
	return ids, it.Error()
}

// positionOf returns the position of a stream's event.
func (p *history) positionOf(h *streamHead, revision uint64) (position uint64, err error) {
	for _, a := range h.pending {
		if revision >= a.entry.revision && revision <= a.entry.lastRevision() {
			return a.entry.position + revision - a.entry.revision, nil
		}
	}
	it, err := newStreamIterator(p.db, h.id)
	if err != nil {
		return 0, fmt.Errorf("read stream index: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.SeekLT(streamKey(nil, h.id, revision+1)) {
		return 0, errors.Join(fmt.Errorf("stream index has no revision %d", revision), it.Error())
	}
	entry, err := entryAt(it)
	if err != nil {
		return 0, err
	}
	return entry.position + revision - entry.revision, nil
}
