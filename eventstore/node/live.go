package node

import (
	"sort"
	"sync"
	"sync/atomic"
)

// liveLog is the synced end of the log: the head, and the newest frames in memory for all live
// subscriptions together. A subscription keeps only its own position; when the frames after it are
// gone it reads from disk until it has caught up. So no subscriber can slow the writer down, and the
// memory does not grow with their number.
type liveLog struct {
	last     atomic.Uint64 // position of the last synced event
	maxBytes int

	mu      sync.Mutex
	frames  []liveFrame // without gaps, the newest last
	first   int         // index of the oldest one that is kept
	bytes   int
	changed chan struct{} // closed at the next change; nil while nobody waits
}

// liveFrame is a synced frame in memory. Its bytes are shared and must not be changed.
type liveFrame struct {
	position uint64
	count    uint32
	stream   string
	frame    []byte
}

func (f liveFrame) lastPosition() uint64 { return f.position + uint64(f.count) - 1 }

func newLiveLog(head uint64, maxBytes int) *liveLog {
	l := &liveLog{maxBytes: maxBytes}
	l.last.Store(head)
	return l
}

// head returns the position of the last synced event; 0 when the log is empty.
func (l *liveLog) head() uint64 { return l.last.Load() }

// publish makes a synced group visible.
func (l *liveLog) publish(frames []liveFrame, head uint64) {
	if len(frames) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range frames {
		l.bytes += len(f.frame)
	}
	l.frames = append(l.frames, frames...)
	for l.bytes > l.maxBytes && l.first < len(l.frames) {
		l.bytes -= len(l.frames[l.first].frame)
		l.frames[l.first] = liveFrame{}
		l.first++
	}
	if l.first > len(l.frames)/2 {
		rest := copy(l.frames, l.frames[l.first:])
		clear(l.frames[rest:])
		l.frames, l.first = l.frames[:rest], 0
	}
	l.last.Store(head)
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// after copies frames that hold events after a position to dst and returns it: at least one, at most
// liveFrames, and no more than about liveBytes. ok is false when the event after the position is no
// longer in memory. When there is none yet, changed is closed as soon as there is.
func (l *liveLog) after(position uint64, dst []liveFrame) (frames []liveFrame, ok bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if position >= l.last.Load() {
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		return dst[:0], true, l.changed
	}
	kept := l.frames[l.first:]
	if len(kept) == 0 || kept[0].position > position+1 {
		return dst[:0], false, nil
	}
	i := sort.Search(len(kept), func(i int) bool { return kept[i].lastPosition() > position })
	dst = dst[:0]
	for bytes := 0; i < len(kept) && len(dst) < liveFrames && bytes < liveBytes; i++ {
		dst = append(dst, kept[i])
		bytes += len(kept[i].frame)
	}
	return dst, true, nil
}
