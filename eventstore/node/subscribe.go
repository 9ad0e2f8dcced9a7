package node

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// liveFrames and liveBytes bound what a live subscription takes out of the shared buffer at once:
	// it keeps that alive while its consumer is busy.
	liveFrames = 128
	liveBytes  = 256 << 10
	// defaultCheckpointEvery is the number of considered events between two checkpoints.
	defaultCheckpointEvery = 1024
)

// SubscribeAll implements eventstore.Subscriber.
//
// There is no separate registration: the subscription's position is its only state, and the log, on
// disk or in the buffer of its newest frames, answers what comes after it. So catching up and going
// live cannot lose or repeat an event between them.
func (n *Node) SubscribeAll(ctx context.Context, sub eventstore.AllSubscription) iter.Seq2[eventstore.Message, error] {
	return func(yield func(eventstore.Message, error) bool) {
		err := n.followAll(ctx, sub, func(m eventstore.Message) bool { return yield(m, nil) })
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, fmt.Errorf("subscribe to $all: %w", err))
		}
	}
}

// SubscribeStream implements eventstore.Subscriber. A tombstone ends it with ErrStreamDeleted; events
// hidden by the stream's metadata are not shown while it catches up.
func (n *Node) SubscribeStream(ctx context.Context, stream string, after *uint64) iter.Seq2[eventstore.Message, error] {
	return func(yield func(eventstore.Message, error) bool) {
		err := n.followStream(ctx, stream, after, func(m eventstore.Message) bool { return yield(m, nil) })
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, fmt.Errorf("subscribe to stream %q: %w", stream, err))
		}
	}
}

// follower is one subscription.
type follower struct {
	node   *Node
	show   func(eventstore.Message) bool
	cursor uint64 // position of the last event that was considered
	isLive bool
	buffer []liveFrame

	// catchUp considers what is on disk after the cursor, up to the present head.
	catchUp func(ctx context.Context) error
	// consider handles a frame in memory whose first events may be at or before the cursor.
	consider func(f liveFrame) error
	// idle is called when everything was considered.
	idle func() error
}

// run follows the log until something ends it.
func (f *follower) run(ctx context.Context) error {
	if f.node.subscriptions.Add(1) > int64(f.node.opts.MaxSubscriptions) {
		f.node.subscriptions.Add(-1)
		return fmt.Errorf("%w: %d subscriptions are open", eventstore.ErrUnavailable, f.node.opts.MaxSubscriptions)
	}
	defer f.node.subscriptions.Add(-1)
	for {
		if err := f.node.ended(ctx); err != nil {
			return err
		}
		frames, ok, changed := f.node.live.after(f.cursor, f.buffer)
		f.buffer = frames
		var err error
		switch {
		case !ok:
			f.isLive = false
			err = f.catchUp(ctx)
		case len(frames) > 0:
			err = f.considerAll(ctx, frames)
			clear(frames)
		default:
			err = f.wait(ctx, changed)
		}
		if err != nil {
			return err
		}
	}
}

func (f *follower) considerAll(ctx context.Context, frames []liveFrame) error {
	for _, frame := range frames {
		if err := f.node.ended(ctx); err != nil {
			return err
		}
		if err := f.consider(frame); err != nil {
			return err
		}
	}
	return nil
}

// wait tells the consumer that it has seen everything and waits for more.
func (f *follower) wait(ctx context.Context, changed <-chan struct{}) error {
	if f.idle != nil {
		if err := f.idle(); err != nil {
			return err
		}
	}
	if !f.isLive {
		f.isLive = true
		if err := f.send(eventstore.CaughtUp{}); err != nil {
			return err
		}
	}
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-f.node.closing:
		return eventstore.ErrClosed
	}
}

func (f *follower) send(m eventstore.Message) error {
	if !f.show(m) {
		return errStopped
	}
	return nil
}

// ended tells why a sequence cannot go on.
func (n *Node) ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n.isClosing() {
		return eventstore.ErrClosed
	}
	return nil
}

// followAll is a subscription to $all.
func (n *Node) followAll(ctx context.Context, sub eventstore.AllSubscription, show func(eventstore.Message) bool) error {
	match, err := sub.Filter.Matcher()
	if err != nil {
		return err
	}
	a := &allFollower{match: match, every: sub.CheckpointEvery}
	if a.every == 0 {
		a.every = defaultCheckpointEvery
	}
	a.follower = follower{node: n, show: show, catchUp: a.catchUp, consider: a.consider, idle: a.idle}
	if sub.After != nil {
		if err := validatePosition(*sub.After, n.live.head()); err != nil {
			return err
		}
		a.cursor = sub.After.Commit
		a.told = a.cursor
	}
	return a.run(ctx)
}

type allFollower struct {
	follower
	match func(*eventstore.RecordedEvent) bool // nil shows everything, and then there are no checkpoints
	every uint32
	// considered counts the events since the last checkpoint; told is the position that the consumer
	// knows of, by an event or a checkpoint.
	considered uint32
	told       uint64
}

func (a *allFollower) catchUp(ctx context.Context) error {
	scan, err := a.node.scanAll(eventstore.AllRead{From: &eventstore.Position{Commit: a.cursor + 1, Prepare: a.cursor + 1}})
	if err != nil {
		return err
	}
	for {
		if err := a.node.ended(ctx); err != nil {
			return err
		}
		windows, err := scan.chunk(ctx, math.MaxUint64)
		for i := range windows {
			if err := a.showWindow(&windows[i]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		if len(windows) == 0 {
			a.cursor = max(a.cursor, scan.head) // what is hidden was passed
			return nil
		}
	}
}

func (a *allFollower) consider(f liveFrame) error {
	if hiddenInAll(f.stream) {
		a.cursor = f.lastPosition()
		return nil
	}
	w := window{frame: copyFrame(f.frame), to: int(f.count)}
	w.from = int(max(a.cursor+1, f.position) - f.position)
	return a.showWindow(&w)
}

func (a *allFollower) showWindow(w *window) error {
	w.frame.skip(w.from)
	for i := w.from; i < w.to; i++ {
		e, gone := w.frame.read(), w.frame.scavenged(i)
		if err := a.showEvent(e, gone); err != nil {
			return err
		}
	}
	return nil
}

// showEvent considers an event, and shows it unless it is gone.
func (a *allFollower) showEvent(e eventstore.RecordedEvent, gone bool) error {
	a.cursor = e.Position.Commit
	a.considered++
	if !gone && (a.match == nil || a.match(&e)) {
		a.told = a.cursor
		if err := a.send(eventstore.EventAppeared{Event: e}); err != nil {
			return err
		}
	}
	if a.match != nil && a.considered >= a.every {
		return a.checkpoint()
	}
	return nil
}

// checkpoint tells the consumer how far the subscription has come.
func (a *allFollower) checkpoint() error {
	a.considered = 0
	a.told = a.cursor
	return a.send(eventstore.CheckpointReached{Position: eventstore.Position{Commit: a.cursor, Prepare: a.cursor}})
}

// idle moves the consumer past events that did not match, so that a quiet filter does not park its
// checkpoint for ever.
func (a *allFollower) idle() error {
	if a.match == nil || a.told >= a.cursor {
		return nil
	}
	return a.checkpoint()
}

// followStream is a subscription to one stream.
func (n *Node) followStream(ctx context.Context, stream string, after *uint64, show func(eventstore.Message) bool) error {
	if err := validateStreamName(stream); err != nil {
		return err
	}
	s := &streamFollower{stream: stream}
	if after != nil {
		s.next = *after + 1
		if *after >= tombstoneRevision {
			return fmt.Errorf("%w: no revision follows %d", eventstore.ErrInvalid, *after)
		}
	}
	s.follower = follower{node: n, show: show, catchUp: s.catchUp, consider: s.consider}
	// The stream is read once in any case; what the shared buffer holds is only its newest part.
	if err := s.catchUp(ctx); err != nil {
		return err
	}
	return s.run(ctx)
}

type streamFollower struct {
	follower
	stream string
	next   uint64 // first revision to show
}

func (s *streamFollower) catchUp(ctx context.Context) error {
	head := s.node.live.head()
	scan, err := s.node.scanStream(s.stream, eventstore.StreamRead{From: &s.next}, head)
	if errors.Is(err, eventstore.ErrStreamNotFound) {
		s.cursor = head
		return nil
	}
	if err != nil {
		return err
	}
	for {
		if err := s.node.ended(ctx); err != nil {
			return err
		}
		windows, err := scan.chunk(ctx, math.MaxUint64)
		for i := range windows {
			if err := s.showWindow(&windows[i]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		if len(windows) == 0 {
			s.cursor = head
			return nil
		}
	}
}

func (s *streamFollower) consider(f liveFrame) error {
	s.cursor = f.lastPosition()
	if f.stream != s.stream {
		return nil
	}
	frame := copyFrame(f.frame)
	if frame.revision == tombstoneRevision {
		return eventstore.ErrStreamDeleted
	}
	w := window{frame: frame, to: frame.count}
	if s.next > frame.revision {
		w.from = int(min(s.next-frame.revision, uint64(frame.count)))
	}
	return s.showWindow(&w)
}

func (s *streamFollower) showWindow(w *window) error {
	w.frame.skip(w.from)
	for i := w.from; i < w.to; i++ {
		e := w.frame.read()
		if s.next = e.Revision + 1; w.frame.scavenged(i) {
			continue
		}
		if err := s.send(eventstore.EventAppeared{Event: e}); err != nil {
			return err
		}
	}
	return nil
}
