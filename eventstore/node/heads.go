package node

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/uuid"
	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// noRevision is the last revision of a stream without events.
const noRevision = -1

// streamHead is the end of a stream as the decider sees it: newer than what is synced.
type streamHead struct {
	id           uint64 // 0 while the stream is not in the directory
	last         int64  // last revision; noRevision when there are no events
	lastPosition uint64
	tombstoned   bool
	// hasMetadata and metadata describe the stream, from its metadata stream.
	hasMetadata bool
	metadata    streamSettings
	// pending are the appends of the group that is being decided: not on disk yet.
	pending []pendingAppend
}

// pendingAppend is what the index will say about an append once its group is applied.
type pendingAppend struct {
	entry indexEntry
	ids   []uuid.UUID
}

func (h *streamHead) softDeleted() bool { return h.metadata.deleted() }

// headCache keeps the heads of the streams in use, so that an append to a hot stream costs no read.
// Only the decider uses it.
type headCache struct {
	db    *pebble.DB
	heads *simplelru.LRU[string, *streamHead]
	key   []byte
}

func newHeadCache(db *pebble.DB, size int) (*headCache, error) {
	heads, err := simplelru.NewLRU[string, *streamHead](size, nil)
	if err != nil {
		return nil, fmt.Errorf("head cache: %w", err)
	}
	return &headCache{db: db, heads: heads}, nil
}

// get returns the head of a stream, from memory or from disk. The caller may change it as it decides.
func (c *headCache) get(name string) (*streamHead, error) {
	if h, ok := c.heads.Get(name); ok {
		return h, nil
	}
	h, err := c.load(name)
	if err != nil {
		return nil, fmt.Errorf("load head of stream %q: %w", name, err)
	}
	if !isMetadataStream(name) {
		m, err := c.get(metadataStream(name))
		if err != nil {
			return nil, err
		}
		if m.last != noRevision && !m.tombstoned {
			h.hasMetadata = true
			h.metadata = m.metadata
		}
	}
	c.heads.Add(name, h)
	return h, nil
}

// cached returns the head of a stream only if it is in memory.
func (c *headCache) cached(name string) (*streamHead, bool) { return c.heads.Peek(name) }

// load reads a head from disk. What the decider has applied is visible there, synced or not.
// For a metadata stream the settings are those that it holds.
func (c *headCache) load(name string) (*streamHead, error) {
	entry, ok, err := getDirectoryEntry(c.db, &c.key, name)
	if err != nil || !ok {
		return &streamHead{last: noRevision}, err
	}
	h := &streamHead{id: entry.stream, last: noRevision, tombstoned: entry.tombstone != 0}
	last, ok, err := lastIndexEntry(c.db, entry.stream)
	if err != nil || !ok {
		return h, err
	}
	h.last, h.lastPosition = int64(last.lastRevision()), last.lastPosition()
	if isMetadataStream(name) {
		f, err := getFrame(c.db, last.position)
		if err != nil {
			return nil, err
		}
		h.metadata = settingsOf(&f)
	}
	return h, nil
}

// getDirectoryEntry looks a stream up by name; key is scratch space.
func getDirectoryEntry(r pebble.Reader, key *[]byte, name string) (directoryEntry, bool, error) {
	*key = headKey(*key, name)
	v, closer, err := r.Get(*key)
	if errors.Is(err, pebble.ErrNotFound) {
		return directoryEntry{}, false, nil
	}
	if err != nil {
		return directoryEntry{}, false, err
	}
	defer closer.Close()
	entry, err := parseDirectoryEntry(v)
	return entry, err == nil, err
}

// lastIndexEntry returns the newest entry of a stream in the index, synced or not.
func lastIndexEntry(r pebble.Reader, stream uint64) (entry indexEntry, ok bool, err error) {
	it, err := newStreamIterator(r, stream)
	if err != nil {
		return entry, false, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.Last() {
		return entry, false, it.Error()
	}
	entry, err = entryAt(it)
	return entry, err == nil, err
}

// newStreamIterator iterates over one stream in the index.
func newStreamIterator(r pebble.Reader, stream uint64) (*pebble.Iterator, error) {
	return r.NewIter(&pebble.IterOptions{LowerBound: streamKey(nil, stream, 0), UpperBound: streamEnd(nil, stream)})
}

func entryAt(it *pebble.Iterator) (indexEntry, error) {
	v, err := it.ValueAndErr()
	if err != nil {
		return indexEntry{}, err
	}
	return parseIndexEntry(it.Key(), v)
}

// getFrame reads the frame that begins at a position.
func getFrame(r pebble.Reader, position uint64) (decodedFrame, error) {
	v, closer, err := r.Get(eventKey(nil, position))
	if errors.Is(err, pebble.ErrNotFound) {
		return decodedFrame{}, &CorruptError{Position: position, Reason: "missing"}
	}
	if err != nil {
		return decodedFrame{}, err
	}
	defer closer.Close()
	return decodeFrame(position, v)
}
