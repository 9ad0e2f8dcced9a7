package node

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// gatherEnough is how many waiting requests are enough of a group, and gatherTurns how often others may run for more.
	gatherEnough = 64
	gatherTurns  = 4
)

// appendQueue is the bounded queue in front of the one writer.
type appendQueue struct {
	maxAppends int
	maxBytes   int64

	// inFlight counts the requests that were taken and are not answered.
	inFlight atomic.Int64

	mu      sync.Mutex
	waiting []*request
	bytes   int64
	closed  bool
	// wake holds at most one token: there is something to do.
	wake chan struct{}
}

func newAppendQueue(opts Options) *appendQueue {
	return &appendQueue{
		maxAppends: opts.MaxQueuedAppends,
		maxBytes:   opts.MaxQueuedBytes,
		wake:       make(chan struct{}, 1),
	}
}

// put adds a request or says why it cannot be taken now.
func (q *appendQueue) put(r *request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return eventstore.ErrClosed
	case len(q.waiting) >= q.maxAppends, q.bytes+int64(len(r.frame)) > q.maxBytes && len(q.waiting) > 0:
		return fmt.Errorf("%w: server is too busy: %d appends with %d bytes are waiting",
			eventstore.ErrUnavailable, len(q.waiting), q.bytes)
	}
	q.waiting = append(q.waiting, r)
	q.bytes += int64(len(r.frame))
	q.signal()
	return nil
}

// take waits for requests and moves as many to dst as the limits of a group allow. It returns an
// empty slice when the queue is closed and drained.
func (q *appendQueue) take(dst []*request, maxAppends, maxBytes int) []*request {
	for {
		q.gather()
		q.mu.Lock()
		n, bytes := 0, 0
		for n < len(q.waiting) && n < maxAppends && (n == 0 || bytes+len(q.waiting[n].frame) <= maxBytes) {
			bytes += len(q.waiting[n].frame)
			n++
		}
		if n > 0 {
			dst = append(dst, q.waiting[:n]...)
			rest := copy(q.waiting, q.waiting[n:])
			clear(q.waiting[rest:])
			q.waiting = q.waiting[:rest]
			q.bytes -= int64(bytes)
			q.inFlight.Add(int64(n))
			if rest > 0 {
				q.signal()
			}
		}
		closed := q.closed
		q.mu.Unlock()
		if n > 0 || closed {
			return dst
		}
		<-q.wake
	}
}

// gather lets goroutines that could run do so, as long as that brings more requests: many callers who could append
// at once would otherwise be taken in as many groups as they come one after the other. It takes no time that
// somebody else has no use for, and a caller who is alone does not wait for others.
func (q *appendQueue) gather() {
	n := q.length()
	if n == 0 || n == 1 && q.inFlight.Load() == 0 {
		return
	}
	for range gatherTurns {
		if n >= gatherEnough {
			return
		}
		runtime.Gosched()
		more := q.length()
		if more == n {
			return
		}
		n = more
	}
}

// answered tells that as many requests have their answers.
func (q *appendQueue) answered(n int) { q.inFlight.Add(-int64(n)) }

// length is the number of waiting requests.
func (q *appendQueue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// close refuses further requests; what is queued is still taken.
func (q *appendQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

func (q *appendQueue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
