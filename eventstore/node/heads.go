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
	id           uint64 // 0 while the stream has no id
	last         int64  // last revision; noRevision when there are no events
	lastPosition uint64
	// pending are the appends of the group that is being decided: not on disk yet.
	pending []pendingAppend
}

// pendingAppend is what the index will say about an append once its group is applied.
type pendingAppend struct {
	entry indexEntry
	ids   []uuid.UUID
}

// namedHead is a stream together with its metadata stream.
type namedHead struct {
	name      string
	stream    streamHead
	metadata  streamHead
	tombstone uint64 // its position; 0 is none
	settings  streamSettings
}

// headView is one of the two streams of a namedHead, with what matters to the decision about it.
type headView struct {
	*streamHead
	tombstoned bool
	// softDeleted and hasMetadata are never true for a metadata stream.
	softDeleted, hasMetadata bool
}

// view returns the stream itself, or its metadata stream.
func (h *namedHead) view(metadata bool) headView {
	if metadata {
		return headView{streamHead: &h.metadata, tombstoned: h.tombstone != 0}
	}
	return headView{
		streamHead: &h.stream, tombstoned: h.tombstone != 0,
		softDeleted: h.settings.deleted(), hasMetadata: h.metadata.last != noRevision,
	}
}

// headCache keeps the heads of the streams in use, so that an append to a hot stream costs no read.
// Only the decider uses it.
type headCache struct {
	db      *pebble.DB
	heads   *simplelru.LRU[string, *namedHead]
	lookups lookups
	key     []byte
}

func newHeadCache(db *pebble.DB, size int) (*headCache, error) {
	heads, err := simplelru.NewLRU[string, *namedHead](size, nil)
	if err != nil {
		return nil, fmt.Errorf("head cache: %w", err)
	}
	return &headCache{db: db, heads: heads, lookups: lookups{db: db}}, nil
}

// get returns the head of a stream, from memory or from disk. name is never a metadata stream's. The
// caller changes the head as it decides.
func (c *headCache) get(name string) (*namedHead, error) {
	if h, ok := c.heads.Get(name); ok {
		return h, nil
	}
	h, err := c.load(name)
	if err != nil {
		return nil, fmt.Errorf("load head of stream %q: %w", name, err)
	}
	c.heads.Add(name, h)
	return h, nil
}

// load reads a head from disk. What the decider has applied is visible there, synced or not; what is
// in the group that is being decided is in the cache, which is large enough for any group.
func (c *headCache) load(name string) (*namedHead, error) {
	h := &namedHead{name: name, stream: streamHead{last: noRevision}, metadata: streamHead{last: noRevision}}
	dir, ok, err := c.lookUp(name)
	if err != nil || !ok {
		return h, err
	}
	h.tombstone = dir.tombstone
	if _, err := h.stream.load(c.db, dir.stream); err != nil {
		return nil, err
	}
	last, err := h.metadata.load(c.db, dir.metadata)
	if err != nil || h.metadata.last == noRevision {
		return h, err
	}
	f, err := getFrame(c.db, last.position)
	if err != nil {
		return nil, err
	}
	h.settings = settingsOf(&f)
	return h, nil
}

// lookUp finds a stream's directory entry.
func (c *headCache) lookUp(name string) (directoryEntry, bool, error) {
	c.key = directoryKey(c.key, name)
	v, ok, err := c.lookups.get(c.key)
	if err != nil || !ok {
		return directoryEntry{}, false, err
	}
	dir, err := parseDirectoryEntry(v)
	return dir, err == nil, err
}

// load reads the end of the stream with an id; id 0 has none.
func (h *streamHead) load(r pebble.Reader, id uint64) (last indexEntry, err error) {
	if id == 0 {
		return last, nil
	}
	h.id = id
	last, ok, err := lastIndexEntry(r, id)
	if err == nil && ok {
		h.last, h.lastPosition = int64(last.lastRevision()), last.lastPosition()
	}
	return last, err
}

// getDirectoryEntry looks a stream up by name.
func getDirectoryEntry(r pebble.Reader, name string) (directoryEntry, bool, error) {
	v, closer, err := r.Get(directoryKey(nil, name))
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
