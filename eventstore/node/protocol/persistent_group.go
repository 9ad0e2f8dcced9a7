package protocol

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// housekeepingMin and housekeepingMax bound how often a group looks for
	// timeouts and due checkpoints.
	housekeepingMin = 10 * time.Millisecond
	housekeepingMax = time.Second
	// sourceRetryDelay is the pause before a group's source is opened again.
	sourceRetryDelay = time.Second
)

// message is one event on its way through a group.
type message struct {
	event eventstore.RecordedEvent
	// target is what a link points to; nil when there is none.
	target   *eventstore.RecordedEvent
	resolved bool
	// place orders messages: the revision, or the position in $all. before is
	// the place considered before it, -1 for none.
	place, before int64
	retries       int32
	deadline      time.Time // zero without a timeout
	// parkedAt is the message's revision in the parked stream when it is
	// replayed from there; -1 otherwise.
	parkedAt int64
}

// group is a persistent subscription at work: a source that reads ahead, and
// consumers to which its events are dealt out. Each event is settled once: by
// an acknowledgement, by being skipped, or by being parked. The checkpoint
// stands before the first event that is not settled.
type group struct {
	config  groupConfig
	service *persistentService
	ctx     context.Context
	cancel  context.CancelCauseFunc
	work    sync.WaitGroup
	// room and due wake the source and the housekeeper.
	room, due chan struct{}

	mu         sync.Mutex
	started    bool
	stopped    bool
	consumers  []*consumer
	turn       int        // of the round robin
	unsettled  []*message // in order of place
	ready      []*message // to be dealt out, in order
	considered int64      // last place read; -1 is none
	// replaying are unsettled messages of the parked stream; replayNext is the
	// first revision there that was not replayed, truncate the one before which
	// all are settled.
	replaying            []*message
	replayNext, truncate int64

	settled, total   int64 // since the checkpoint; since the start
	checkpoint       int64 // as stored; -1 is none
	checkpointedAt   time.Time
	parkedTruncation int64
}

func (p *persistentService) newGroup(c groupConfig) *group {
	g := &group{
		config: c, service: p, room: make(chan struct{}, 1), due: make(chan struct{}, 1),
		considered: int64(c.First) - 1, checkpoint: -1,
	}
	g.ctx, g.cancel = context.WithCancelCause(context.Background())
	return g
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// start begins to read from the checkpoint; the first consumer causes it.
func (g *group) start(ctx context.Context) error {
	place, ok, err := g.service.loadCheckpoint(ctx, g.config.key())
	if err != nil {
		return err
	}
	if ok {
		g.checkpoint, g.considered = place, place
	}
	g.checkpointedAt = time.Now()
	g.started = true
	g.work.Go(g.readSource)
	g.work.Go(g.keepHouse)
	return nil
}

// readSource feeds the group until it is stopped.
func (g *group) readSource() {
	for g.ctx.Err() == nil {
		err := g.follow()
		if g.ctx.Err() != nil {
			return
		}
		g.service.streams.logger.Warn("persistent subscription cannot read, trying again",
			slog.String("stream", g.config.Stream), slog.String("group", g.config.Group), slog.Any("error", err))
		timer := time.NewTimer(sourceRetryDelay)
		select {
		case <-timer.C:
		case <-g.ctx.Done():
			timer.Stop()
		}
	}
}

func (g *group) follow() error {
	g.mu.Lock()
	after := g.considered
	g.mu.Unlock()
	n := g.service.streams.node
	source := func() (out func(func(eventstore.Message, error) bool)) {
		if g.config.Stream != allStream {
			var from *uint64
			if after >= 0 {
				revision := uint64(after)
				from = &revision
			}
			return n.SubscribeStream(g.ctx, g.config.Stream, from)
		}
		sub := eventstore.AllSubscription{Filter: g.config.Filter, CheckpointEvery: g.config.CheckpointEvery}
		if after > 0 {
			sub.After = &eventstore.Position{Commit: uint64(after), Prepare: uint64(after)}
		}
		return n.SubscribeAll(g.ctx, sub)
	}()
	for m, err := range source {
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case eventstore.EventAppeared:
			if !g.add(m.Event) {
				return nil
			}
		case eventstore.CheckpointReached:
			if err := g.consider(int64(m.Position.Commit)); err != nil {
				return err
			}
		case eventstore.CaughtUp:
		}
	}
	return nil
}

// consider notes a place in $all up to which nothing is to be shown. It counts
// towards a checkpoint only when $all shows an event on the way there: what
// groups on $all write themselves would keep them writing for ever.
func (g *group) consider(place int64) error {
	g.mu.Lock()
	from := eventstore.Position{Commit: uint64(g.considered + 1), Prepare: uint64(g.considered + 1)}
	g.mu.Unlock()
	moved := false
	for e, err := range g.service.streams.node.ReadAll(g.ctx, eventstore.AllRead{From: &from, Count: 1}) {
		if err != nil {
			return err
		}
		moved = int64(e.Position.Commit) <= place
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.considered = place
	if moved {
		g.settled++
	}
	return nil
}

// add puts the next event into the group, waiting for room; false when the
// group was stopped.
func (g *group) add(e eventstore.RecordedEvent) bool {
	m := &message{event: e, place: int64(e.Revision), parkedAt: -1}
	if g.config.Stream == allStream {
		m.place = int64(e.Position.Commit)
	}
	g.resolve(m)
	for {
		g.mu.Lock()
		if g.stopped {
			g.mu.Unlock()
			return false
		}
		if len(g.unsettled) < int(g.config.HistoryBufferEvents) {
			m.before, g.considered = g.considered, m.place
			g.unsettled = append(g.unsettled, m)
			g.ready = append(g.ready, m)
			g.total++
			g.deal()
			g.mu.Unlock()
			return true
		}
		g.mu.Unlock()
		select {
		case <-g.room:
		case <-g.ctx.Done():
			return false
		}
	}
}

func (g *group) resolve(m *message) {
	if !g.config.ResolveLinks || m.event.Type != linkType {
		return
	}
	m.resolved = true
	if target, ok := resolveLink(g.ctx, g.service.streams.node, &m.event); ok {
		m.target = &target
	}
}

// processed is the place up to which everything is settled.
func (g *group) processed() int64 {
	if len(g.unsettled) > 0 {
		return g.unsettled[0].before
	}
	return g.considered
}

// keepHouse handles timeouts and writes checkpoints until the group is stopped.
func (g *group) keepHouse() {
	every := housekeepingMax
	for _, d := range []time.Duration{g.config.messageTimeout(), g.config.checkpointAfter()} {
		if d > 0 {
			every = min(every, d/4)
		}
	}
	ticker := time.NewTicker(max(every, housekeepingMin))
	defer ticker.Stop()
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-g.due:
		case <-ticker.C:
		}
		g.expire(time.Now())
		g.saveState(g.ctx, false)
	}
}

// saveState writes the checkpoint when it is due, and forgets what was
// replayed.
func (g *group) saveState(ctx context.Context, final bool) {
	g.mu.Lock()
	place, now := g.processed(), time.Now()
	due := final || g.settled >= int64(g.config.MaxCheckpointCount) ||
		g.config.CheckpointAfterMS > 0 && g.settled >= int64(g.config.MinCheckpointCount) &&
			now.Sub(g.checkpointedAt) >= g.config.checkpointAfter()
	due = due && g.started && g.settled > 0 && place > g.checkpoint
	settled := g.settled
	if due {
		g.settled, g.checkpointedAt = 0, now
	}
	truncate := g.truncate
	truncateDue := truncate > g.parkedTruncation
	g.mu.Unlock()
	var err error
	if due {
		err = g.service.saveCheckpoint(ctx, g.config.key(), place)
		g.mu.Lock()
		if err == nil {
			g.checkpoint = place
		} else {
			g.settled += settled // still to be saved
		}
		g.mu.Unlock()
	}
	if truncateDue {
		truncateErr := g.service.truncateParked(ctx, g.config.key(), truncate)
		if truncateErr == nil {
			g.mu.Lock()
			g.parkedTruncation = truncate
			g.mu.Unlock()
		}
		err = errors.Join(err, truncateErr)
	}
	if err != nil && ctx.Err() == nil {
		g.service.streams.logger.Error("persistent subscription cannot save its state",
			slog.String("stream", g.config.Stream), slog.String("group", g.config.Group), slog.Any("error", err))
	}
}

// stop ends the group with a reason for its consumers and saves its state.
func (g *group) stop(reason error) {
	g.mu.Lock()
	if g.stopped {
		g.mu.Unlock()
		return
	}
	g.stopped = true
	for _, c := range g.consumers {
		c.drop(reason)
	}
	g.mu.Unlock()
	g.cancel(reason)
	g.work.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	g.saveState(ctx, true)
}
