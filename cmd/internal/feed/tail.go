package feed

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// tailBytes bounds what is kept of the log's end, besides Config.TailEvents.
	tailBytes = 16 << 20
	// tailBatch is how many events a follower takes at a time.
	tailBatch = 256
)

// shown is an event as clients that follow the log get it: made once, for all of them.
type shown struct {
	at                   cursor // after it
	stream, kind, source string
	frame                []byte // never changed
}

// tail is the end of the log in memory, kept by one subscription for all followers.
type tail struct {
	cancel context.CancelFunc
	ready  chan struct{} // closed once floor is known
	done   chan struct{} // closed when the subscription has ended

	mu     sync.Mutex
	most   int // events in recent
	recent []shown
	bytes  int
	// floor is the last position that is not held any more, reached the last that was considered.
	floor, reached eventstore.Position
	changed        chan struct{} // closed and replaced when reached moves or err is set
	err            error         // why the subscription ended
}

// tails hands the tail to followers. It runs as long as there are some.
type tails struct {
	log    Log
	events int // the most that is held

	mu      sync.Mutex
	current *tail
	users   int
}

// join returns the tail, which holds what is appended from now on, and what leaves it. leave waits for
// the subscription when nobody else needs it.
func (t *tails) join(ctx context.Context) (_ *tail, leave func(), err error) {
	t.mu.Lock()
	if t.current == nil || t.current.failed() {
		t.current, t.users = startTail(t.log, t.events), 0
	}
	joined := t.current
	t.users++
	t.mu.Unlock()
	leave = func() { t.leave(joined) }
	select {
	case <-joined.ready:
		return joined, leave, nil
	case <-joined.done:
		err = joined.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	leave()
	return nil, nil, err
}

func (t *tails) leave(joined *tail) {
	t.mu.Lock()
	if t.current == joined {
		if t.users--; t.users > 0 {
			t.mu.Unlock()
			return
		}
		t.current = nil
	}
	t.mu.Unlock()
	joined.cancel() // nobody uses it, or it has failed
	<-joined.done
}

// startTail begins to follow the log. The caller must cancel it and wait for done.
func startTail(log Log, most int) *tail {
	ctx, cancel := context.WithCancel(context.Background())
	t := &tail{most: most, cancel: cancel, ready: make(chan struct{}), done: make(chan struct{}), changed: make(chan struct{})}
	go func() {
		defer close(t.done)
		err := t.run(ctx, log)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.err = fmt.Errorf("follow the log: %w", err)
		close(t.changed)
	}()
	return t
}

func (t *tail) failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err != nil
}

// run ends with an error only.
func (t *tail) run(ctx context.Context, log Log) error {
	head, _, err := log.Head(ctx)
	if err != nil {
		return err
	}
	t.floor, t.reached = head, head
	close(t.ready)
	sub := eventstore.AllSubscription{Filter: eventstore.Filter{StreamPrefixes: order.StreamPrefixes()}}
	if head != (eventstore.Position{}) {
		sub.After = &head
	}
	for m, err := range log.SubscribeAll(ctx, sub) {
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case eventstore.EventAppeared:
			t.add(show(&m.Event))
		case eventstore.CheckpointReached:
			t.move(m.Position)
		case eventstore.CaughtUp: // is no progress
		}
	}
	return eventstore.ErrClosed
}

// show makes what clients get.
func show(e *eventstore.RecordedEvent) shown {
	v := openEnvelope(e)
	at := past(e)
	return shown{at: at, stream: e.Stream, kind: e.Type, source: v.Source, frame: slices.Clip(appendFrame(nil, e, &v, at))}
}

// appendFrame appends an event as a server-sent event.
func appendFrame(out []byte, e *eventstore.RecordedEvent, v *envelope, at cursor) []byte {
	out = append(at.appendText(append(out, "id: "...)), "\ndata: "...)
	return append(appendEvent(out, e, v, at), "\n\n"...)
}

func (t *tail) add(s shown) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recent = append(t.recent, s)
	t.bytes += len(s.frame)
	for len(t.recent) > t.most || t.bytes > tailBytes && len(t.recent) > 1 {
		t.floor = t.recent[0].at.after
		t.bytes -= len(t.recent[0].frame)
		t.recent[0] = shown{} // what stays of the array must not hold it
		t.recent = t.recent[1:]
	}
	t.advance(s.at.after)
}

func (t *tail) move(position eventstore.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if position.Compare(t.reached) > 0 {
		t.advance(position)
	}
}

// advance wakes the followers; the caller holds mu.
func (t *tail) advance(position eventstore.Position) {
	t.reached = position
	close(t.changed)
	t.changed = make(chan struct{})
}

// tailRead is what the tail holds after a position.
type tailRead struct {
	events  []shown
	reached eventstore.Position // everything up to it is in events, or not for the feed
	changed <-chan struct{}     // closed when there is more
	behind  bool                // the position is not held any more: the log must be read
}

// after reads on from a position. The events are appended to reuse[:0].
func (t *tail) after(position eventstore.Position, reuse []shown) (tailRead, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return tailRead{}, t.err
	}
	if position.Compare(t.floor) < 0 {
		return tailRead{behind: true}, nil
	}
	first := sort.Search(len(t.recent), func(i int) bool { return t.recent[i].at.after.Compare(position) > 0 })
	until := min(len(t.recent), first+tailBatch)
	read := tailRead{events: append(reuse[:0], t.recent[first:until]...), reached: t.reached, changed: t.changed}
	if until < len(t.recent) {
		read.reached = t.recent[until-1].at.after
	}
	return read, nil
}
