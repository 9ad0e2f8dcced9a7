package protocol

import (
	"context"
	"encoding/json"
	"hash/fnv"
	"slices"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
)

type nackAction = persistent.ReadReq_Nack_Action

const (
	nackPark = persistent.ReadReq_Nack_Park
	nackSkip = persistent.ReadReq_Nack_Skip
	nackStop = persistent.ReadReq_Nack_Stop
)

// consumer is one client that takes part in a group. The group's mutex guards
// all but the channels.
type consumer struct {
	id, from string
	slots    int // most messages in flight
	inFlight map[uuid.UUID][]*message
	flying   int
	total    int64
	// queue holds what is in flight and not yet on the wire; more wakes the
	// sender.
	queue []*message
	more  chan struct{}
	// dropped is closed when the server ends the subscription: reason.
	dropped chan struct{}
	reason  error
}

// join adds a consumer, starting the group with its first one.
func (g *group) join(ctx context.Context, from string, slots int) (*consumer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return nil, g.missing()
	}
	if most := int(g.config.MaxSubscribers); most > 0 && len(g.consumers) >= most {
		return nil, groupFailure(codes.FailedPrecondition, g.config.key(), "maximum-subscribers-reached", "has all the subscribers that it allows")
	}
	if !g.started {
		if err := g.start(ctx); err != nil {
			return nil, err
		}
	}
	c := &consumer{
		id: uuid.NewString(), from: from, slots: slots, inFlight: map[uuid.UUID][]*message{},
		more: make(chan struct{}, 1), dropped: make(chan struct{}),
	}
	g.consumers = append(g.consumers, c)
	g.deal()
	return c, nil
}

func (g *group) missing() error {
	return groupFailure(codes.NotFound, g.config.key(), "persistent-subscription-does-not-exist", "does not exist")
}

// leave takes a consumer out; what it had in flight goes to others. For what was on the wire that
// counts as a retry, unless the server ended the subscription: an event that kills each consumer that
// it is shown to must end in the parked stream.
func (g *group) leave(c *consumer) {
	g.mu.Lock()
	g.remove(c)
	var shown []*message
	for _, messages := range c.inFlight {
		for _, m := range messages {
			if c.reason == nil && !g.stopped && !slices.Contains(c.queue, m) {
				shown = append(shown, m)
			} else {
				g.again(m)
			}
		}
	}
	exhausted := g.countRetries(shown)
	c.inFlight, c.flying, c.queue = nil, 0, nil
	g.deal()
	g.mu.Unlock()
	for _, m := range exhausted {
		g.park(m, retriesExhausted+"consumer disconnected")
	}
}

func (g *group) remove(c *consumer) {
	if i := slices.Index(g.consumers, c); i >= 0 {
		g.consumers = slices.Delete(g.consumers, i, i+1)
	}
}

// drop ends a consumer's subscription; the caller holds the group's mutex.
func (c *consumer) drop(reason error) {
	if c.reason == nil {
		c.reason = reason
		close(c.dropped)
	}
}

// deal gives ready messages to consumers with free slots; the caller holds the
// mutex.
func (g *group) deal() {
	if g.stopped || len(g.ready) == 0 {
		return
	}
	free := 0
	for _, c := range g.consumers {
		free += c.slots - c.flying
	}
	now := time.Now()
	var kept []*message
	for i, m := range g.ready {
		if free == 0 {
			kept = append(kept, g.ready[i:]...)
			break
		}
		c := g.choose(m)
		if c == nil {
			kept = append(kept, m)
			continue
		}
		free--
		if timeout := g.config.messageTimeout(); timeout > 0 {
			m.deadline = now.Add(timeout)
		}
		c.give(m)
	}
	g.ready = kept
}

// choose finds the consumer for a message by the group's strategy; nil when it
// has to wait.
func (g *group) choose(m *message) *consumer {
	switch g.config.Strategy {
	case dispatchToSingle:
		for _, c := range g.consumers {
			if c.flying < c.slots {
				return c
			}
		}
		return nil
	case pinned, pinnedByCorrelation:
		c := g.consumers[int(m.hash(g.config.Strategy == pinnedByCorrelation)%uint64(len(g.consumers)))]
		if c.flying < c.slots {
			return c
		}
		return nil
	}
	for range g.consumers {
		c := g.consumers[g.turn%len(g.consumers)]
		g.turn = (g.turn + 1) % len(g.consumers)
		if c.flying < c.slots {
			return c
		}
	}
	return nil
}

// hash is equal for all events of a stream, or of a correlation where they have one, so that one
// consumer sees them all.
func (m *message) hash(byCorrelation bool) uint64 {
	event := &m.event
	if m.target != nil {
		event = m.target
	}
	key := event.Stream
	if byCorrelation {
		var metadata struct {
			CorrelationID string `json:"$correlationId"`
		}
		if json.Unmarshal(event.Metadata, &metadata) == nil && metadata.CorrelationID != "" {
			key = metadata.CorrelationID
		}
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(key)) // it never fails
	return h.Sum64()
}

func (c *consumer) give(m *message) {
	c.inFlight[m.event.ID] = append(c.inFlight[m.event.ID], m)
	c.flying++
	c.total++
	c.queue = append(c.queue, m)
	wake(c.more)
}

// next takes the next message to send; nil when there is none.
func (g *group) next(c *consumer) (m *message, retries int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(c.queue) == 0 {
		return nil, 0
	}
	m, c.queue = c.queue[0], c.queue[1:]
	return m, m.retries
}

// take takes messages out of the flight; unknown ids are those of messages that
// timed out, and mean nothing.
func (c *consumer) take(ids []uuid.UUID) (out []*message) {
	for _, id := range ids {
		messages := c.inFlight[id]
		if len(messages) == 0 {
			continue
		}
		out = append(out, messages[0])
		c.flying--
		if len(messages) == 1 {
			delete(c.inFlight, id)
		} else {
			c.inFlight[id] = messages[1:]
		}
	}
	return out
}

// takeLate takes the messages out whose time is over.
func (c *consumer) takeLate(now time.Time) (out []*message) {
	for id, messages := range c.inFlight {
		late := slices.IndexFunc(messages, func(m *message) bool { return now.After(m.deadline) })
		if late >= 0 {
			out = append(out, messages[late])
			c.flying--
			if i := slices.Index(c.queue, messages[late]); i >= 0 {
				c.queue = slices.Delete(slices.Clone(c.queue), i, i+1)
			}
			if len(messages) == 1 {
				delete(c.inFlight, id)
			} else {
				c.inFlight[id] = slices.Delete(slices.Clone(messages), late, late+1)
			}
		}
	}
	slices.SortFunc(out, func(a, b *message) int { return int(min(max(a.place-b.place, -1), 1)) })
	return out
}
