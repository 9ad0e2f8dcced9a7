package reconcile

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// looksPerSecond bounds how many orders of an account without an API are looked at: a long log is not read
// at once when a ledger starts.
const looksPerSecond = 200

// entry is one order that will be looked at; about 150 bytes.
type entry struct {
	stream   string
	at       time.Time
	interval time.Duration // to the look after the next
	confirm  bool          // a hint waits to be confirmed
	index    int           // in the queue; -1 while it is looked at
	again    bool          // something happened while it was looked at
}

// account is the queue of one account's orders.
type account struct {
	Account
	wake chan struct{} // holds a value when the queue's head may be new
	pace *rate.Limiter // of looks where nobody can be asked

	mu       sync.Mutex
	queue    queue
	byStream map[string]*entry
}

func newAccount(a Account) *account {
	return &account{Account: a, wake: make(chan struct{}, 1), pace: rate.NewLimiter(looksPerSecond, looksPerSecond), byStream: map[string]*entry{}}
}

func (a *account) size() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.byStream)
}

// schedule puts an order at a time, with a fresh interval.
func (a *account) schedule(stream string, at time.Time, interval time.Duration, confirm bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.byStream[stream]
	if e == nil {
		e = &entry{stream: stream, at: at}
		a.byStream[stream] = e
		heap.Push(&a.queue, e)
	}
	e.interval, e.confirm = interval, e.confirm || confirm
	if e.index < 0 {
		e.again, e.at = true, at
	} else if confirm || at.Before(e.at) || !e.confirm {
		e.at = at
		heap.Fix(&a.queue, e.index)
	}
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// confirmed notes that a hint was answered; it matters while the log is replayed.
func (a *account) confirmed(stream string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.byStream[stream]; e != nil && e.index >= 0 {
		e.confirm = false
	}
}

// due takes the order that is due out of the queue, with a copy of how it stands, or tells how long
// until one is; an hour when the queue is empty.
func (a *account) due(now time.Time) (*entry, entry, time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue) == 0 {
		return nil, entry{}, time.Hour
	}
	e := a.queue[0]
	if wait := e.at.Sub(now); wait > 0 {
		return nil, entry{}, wait
	}
	heap.Pop(&a.queue)
	copied := *e
	e.index, e.again, e.confirm = -1, false, false
	return e, copied, 0
}

// done puts an order back, or drops it when there is no next time. confirm says that it still waits
// to be confirmed.
func (a *account) done(e *entry, next time.Time, intervalMax time.Duration, confirm bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e.confirm = e.confirm || confirm
	switch {
	case e.again: // at is set
	case next.IsZero():
		delete(a.byStream, e.stream)
		return
	default:
		e.at, e.interval = next, min(2*e.interval, intervalMax)
	}
	heap.Push(&a.queue, e)
}

// sleep returns when the time has passed, when the queue's head may be new, or when ctx ends.
func (a *account) sleep(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait + rand.N(time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-a.wake:
	case <-ctx.Done():
	}
}

// queue is a heap of entries by time.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	e := x.(*entry) // only entries are pushed
	e.index = len(*q)
	*q = append(*q, e)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}
