package node

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
)

// groupsInFlight is how many groups may wait for the committer, which waits for the fsync of one more,
// while the next is decided. Pebble syncs together what was applied while the last fsync ran, so a few
// groups in flight keep the disk busy; with many, groups would only become smaller.
const groupsInFlight = 2

// freeSpaceCheckEvery is how often the free disk space is looked at while appends arrive.
const freeSpaceCheckEvery = time.Second

// writer decides and commits appends. The decider goroutine owns all fields but the counters.
type writer struct {
	node  *Node
	heads *headCache
	past  *history

	nextPosition uint64
	lastStream   uint64
	isNew        bool // nothing was ever written
	requests     []*request
	records      records // of the group that is being decided
	idle         chan *group

	spaceCheckedAt time.Time
	spaceErr       error

	// appends and groups are counted by the committer, once synced.
	appends, groups atomic.Uint64
}

// group is what is committed with one fsync.
type group struct {
	batch    *pebble.Batch // nil when nothing is written
	frames   []liveFrame
	taken    int        // from the queue, those included that were called off
	requests []*request // in which the answers are
	head     uint64     // last position after the group
}

func newWriter(n *Node, t tail) (*writer, error) {
	heads, err := newHeadCache(n.db, n.opts.CachedHeads)
	if err != nil {
		return nil, err
	}
	return &writer{
		node:         n,
		heads:        heads,
		past:         &history{db: n.db, lookups: &heads.lookups, newIDs: newNewIDs(t.stream, newIDsKept)},
		nextPosition: t.position + 1,
		lastStream:   t.stream,
		idle:         make(chan *group, groupsInFlight),
	}, nil
}

// decideGroups is the decider: it turns what is queued into groups until the queue is closed.
func (w *writer) decideGroups(groups chan<- *group) {
	opts := w.node.opts
	if w.isNew {
		w.beginLog()
	}
	for {
		w.requests = w.node.queue.take(w.requests[:0], opts.MaxGroupAppends, opts.MaxGroupBytes)
		if len(w.requests) == 0 {
			return
		}
		if w.node.broken.get() != nil {
			continue
		}
		g := w.decideGroup(w.requests)
		clear(w.requests)
		w.apply(g)
		groups <- g
	}
}

// beginLog begins another write-ahead log. Pebble begins the first one of a new database in an older format,
// without the offsets that tell damage from a torn end.
func (w *writer) beginLog() {
	if _, err := w.node.db.AsyncFlush(); err != nil {
		w.node.broken.set(fmt.Errorf("begin the write-ahead log: %w", err))
	}
}

// decideGroup decides requests in order of arrival.
func (w *writer) decideGroup(requests []*request) *group {
	g := w.newGroup()
	g.taken = len(requests)
	w.checkFreeSpace()
	for _, r := range requests {
		if !r.state.CompareAndSwap(requestQueued, requestTaken) {
			continue // called off
		}
		r.result, r.err = w.decideRequest(g, r)
		g.requests = append(g.requests, r)
	}
	if err := w.heads.lookups.endGroup(); err != nil {
		w.node.opts.Logger.Error("close look-up iterator", slog.Any("error", err))
	}
	g.head = w.nextPosition - 1
	if len(g.frames) > 0 {
		g.batch = w.node.db.NewBatch()
		if err := w.records.writeTo(g.batch, g.frames); err != nil {
			w.node.broken.set(fmt.Errorf("batch of appends: %w", err))
		}
	}
	w.records.clear()
	return g
}

func (w *writer) decideRequest(g *group, r *request) (eventstore.AppendResult, error) {
	if w.spaceErr != nil {
		return eventstore.AppendResult{}, fmt.Errorf("append to stream %q: %w", r.stream, w.spaceErr)
	}
	name, isMetadata := baseName(r.stream)
	head, err := w.heads.get(name)
	if err != nil {
		return eventstore.AppendResult{}, err
	}
	if r.op == opSoftDelete {
		return w.softDelete(g, r, head)
	}
	h := head.view(isMetadata)
	v, known, err := decide(h, r.expected, r.ids, w.past)
	switch {
	case err != nil:
		return eventstore.AppendResult{}, fmt.Errorf("append to stream %q: %w", r.stream, err)
	case v == verdictKnown:
		pos, err := w.past.positionOf(h.streamHead, known)
		if err != nil {
			return eventstore.AppendResult{}, fmt.Errorf("append to stream %q: %w", r.stream, err)
		}
		return result(known, pos, true), nil
	case v != verdictWrite:
		return eventstore.AppendResult{}, refusal(v, r, h)
	case len(r.ids) == 0:
		if h.last == noRevision {
			return eventstore.AppendResult{}, nil
		}
		return result(uint64(h.last), h.lastPosition, false), nil
	}
	if !h.softDeleted || r.op != opAppend {
		return w.write(g, head, isMetadata, r), nil
	}
	// All that can fail comes before the first write: an append is answered as a whole.
	undelete, err := w.undelete(g, head)
	if err != nil {
		return eventstore.AppendResult{}, fmt.Errorf("append to stream %q: %w", r.stream, err)
	}
	res := w.write(g, head, isMetadata, r)
	w.write(g, head, true, undelete)
	return res, nil
}

func result(revision, position uint64, idempotent bool) eventstore.AppendResult {
	return eventstore.AppendResult{
		Revision:   revision,
		Position:   eventstore.Position{Commit: position, Prepare: position},
		Idempotent: idempotent,
	}
}

// write puts a request's frame at the end of the stream, or of its metadata stream.
func (w *writer) write(g *group, head *namedHead, metadata bool, r *request) eventstore.AppendResult {
	h, target := &head.stream, head.name
	if metadata {
		h, target = &head.metadata, metadataStream(head.name)
	}
	entry := indexEntry{stream: h.id, revision: uint64(h.last + 1), position: w.nextPosition, count: uint32(len(r.ids))}
	isNew := h.id == 0
	if isNew {
		entry.stream = w.lastStream + 1
	}
	if r.op == opTombstone {
		entry.revision = tombstoneRevision
	}
	placeFrame(r.frame, r.bodyCRC, framePlace{
		position: entry.position, stream: entry.stream, revision: entry.revision, created: w.node.opts.Clock(),
	})
	g.frames = append(g.frames, liveFrame{position: entry.position, count: entry.count, stream: target, frame: r.frame})

	w.lastStream = max(w.lastStream, entry.stream)
	w.nextPosition += uint64(entry.count)
	for _, id := range r.ids {
		w.past.newIDs.add(entry.stream, id, w.lastStream)
	}
	h.id, h.last, h.lastPosition = entry.stream, int64(entry.lastRevision()), entry.lastPosition()
	w.records.add(h, entry, r.ids)
	if metadata {
		head.settings = parseSettings(r.metadata)
	}
	if r.op == opTombstone {
		head.tombstone = entry.position
	}
	if isNew || r.op == opTombstone {
		w.records.addDirectory(head)
	}
	return result(entry.lastRevision(), entry.lastPosition(), false)
}

// checkFreeSpace looks from time to time whether the disk has space for appends.
func (w *writer) checkFreeSpace() {
	now := time.Now()
	if now.Sub(w.spaceCheckedAt) >= freeSpaceCheckEvery || w.spaceCheckedAt.IsZero() {
		w.spaceCheckedAt, w.spaceErr = now, checkFreeSpace(w.node.opts)
	}
}

// checkFreeSpace refuses appends before the disk is full, so that the write-ahead log never is cut.
func checkFreeSpace(opts Options) error {
	if opts.MinFreeBytes < 0 {
		return nil
	}
	usage, err := opts.FS.GetDiskUsage(opts.Dir)
	if err != nil { // a file system that cannot tell will say so when it is full
		return nil //nolint:nilerr // see above
	}
	if usage.AvailBytes < uint64(opts.MinFreeBytes) {
		return fmt.Errorf("%w: disk full: %d MiB free in %s, %d MiB are kept free; make space",
			eventstore.ErrUnavailable, usage.AvailBytes>>20, opts.Dir, opts.MinFreeBytes>>20)
	}
	return nil
}

// apply hands the group to the write-ahead log without waiting for the fsync. When that fails, callers
// do not depend on this goroutine any more: see guardFS and submit.
func (w *writer) apply(g *group) {
	if g.batch == nil || w.node.broken.get() != nil {
		return
	}
	if err := w.node.db.ApplyNoSyncWait(g.batch, pebble.Sync); err != nil {
		w.node.broken.set(fmt.Errorf("write-ahead log: %w", err))
	}
}

// commitGroups is the committer: it waits for each group's fsync and publishes it. After a failed
// write or fsync the kernel may have dropped dirty pages, so that a second fsync would succeed without
// them: from then on nothing is published or acknowledged any more.
func (w *writer) commitGroups(groups <-chan *group) {
	n := w.node
	for g := range groups {
		if g.batch != nil && n.broken.get() == nil {
			if err := errors.Join(g.batch.SyncWait(), g.batch.Close()); err != nil {
				n.broken.set(fmt.Errorf("sync of the write-ahead log: %w", err))
			}
		}
		if n.broken.get() != nil {
			continue // the callers know already
		}
		n.live.publish(g.frames, g.head)
		if g.batch != nil {
			w.appends.Add(uint64(len(g.frames)))
			w.groups.Add(1)
		}
		n.queue.answered(g.taken)
		for _, r := range g.requests {
			r.done <- struct{}{}
		}
		w.recycle(g)
	}
}

// newGroup begins a group in the memory of an earlier one.
func (w *writer) newGroup() *group {
	select {
	case g := <-w.idle:
		return g
	default:
		return &group{}
	}
}

// recycle keeps the memory of a group that was answered.
func (w *writer) recycle(g *group) {
	clear(g.frames)
	clear(g.requests)
	*g = group{frames: g.frames[:0], requests: g.requests[:0]}
	select {
	case w.idle <- g:
	default:
	}
}

func newSystemEvent(eventType string, data []byte) eventstore.EventData {
	return eventstore.EventData{ID: uuid.New(), Type: eventType, JSON: true, Data: data}
}
