package protocol

import (
	"cmp"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
)

// settle takes a message out of the group for good; the caller holds the mutex.
func (g *group) settle(m *message) {
	if m.parkedAt >= 0 {
		if i := slices.Index(g.replaying, m); i >= 0 {
			g.replaying = slices.Delete(g.replaying, i, i+1)
		}
		g.truncate = g.replayNext
		if len(g.replaying) > 0 {
			g.truncate = g.replaying[0].parkedAt
		}
		wake(g.due)
		return
	}
	i, ok := slices.BinarySearchFunc(g.unsettled, m.place, func(x *message, place int64) int { return cmp.Compare(x.place, place) })
	if !ok {
		return
	}
	g.unsettled = slices.Delete(g.unsettled, i, i+1)
	g.settled++
	wake(g.room)
	if g.settled >= int64(g.config.MaxCheckpointCount) {
		wake(g.due)
	}
}

// again makes a message wait for another consumer; the caller holds the mutex.
func (g *group) again(m *message) {
	i, _ := slices.BinarySearchFunc(g.ready, m.place, func(x *message, place int64) int { return cmp.Compare(x.place, place) })
	g.ready = slices.Insert(g.ready, i, m)
}

// expire takes messages back whose consumers were too slow.
func (g *group) expire(now time.Time) {
	if g.config.MessageTimeoutMS == 0 {
		return
	}
	g.mu.Lock()
	var late []*message
	for _, c := range g.consumers {
		late = append(late, c.takeLate(now)...)
	}
	g.mu.Unlock()
	for _, m := range late {
		g.retry(m, "message timed out")
	}
}

// retriesExhausted begins the reason for parking what was shown too often.
const retriesExhausted = "maximum retry count reached: "

// retry shows a message again, or parks it when that was done too often.
func (g *group) retry(m *message, reason string) {
	g.mu.Lock()
	exhausted := g.countRetries([]*message{m})
	g.deal()
	g.mu.Unlock()
	for _, m := range exhausted {
		g.park(m, retriesExhausted+reason)
	}
}

// countRetries makes messages wait for another consumer, and returns those that were shown too often
// for that, in order; the caller holds the mutex.
func (g *group) countRetries(messages []*message) (exhausted []*message) {
	for _, m := range messages {
		m.retries++
		if m.retries <= g.config.MaxRetryCount {
			g.again(m)
		} else {
			exhausted = append(exhausted, m)
		}
	}
	slices.SortFunc(exhausted, func(a, b *message) int { return cmp.Compare(a.place, b.place) })
	return exhausted
}

// park moves a message to the parked stream; when that fails it is shown again.
func (g *group) park(m *message, reason string) {
	err := g.service.savePark(g.ctx, g.config.key(), &m.event, reason)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.again(m)
		if g.ctx.Err() == nil {
			g.service.streams.logger.Error("persistent subscription cannot park an event",
				slog.String("stream", m.event.Stream), slog.Uint64("revision", m.event.Revision), slog.Any("error", err))
		}
	} else {
		g.settle(m)
	}
	g.deal()
}

// nack handles messages that a consumer could not process.
func (g *group) nack(c *consumer, ids []uuid.UUID, action nackAction, reason string) {
	g.mu.Lock()
	messages := c.take(ids)
	g.mu.Unlock()
	for _, m := range messages {
		switch action {
		case nackPark:
			g.park(m, reason)
		case nackSkip:
			g.mu.Lock()
			g.settle(m)
			g.mu.Unlock()
		case nackStop:
			g.mu.Lock()
			g.again(m)
			g.remove(c)
			c.drop(g.droppedError())
			g.mu.Unlock()
		default:
			g.retry(m, reason)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deal()
}

func (g *group) ack(c *consumer, ids []uuid.UUID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range c.take(ids) {
		g.settle(m)
	}
	g.deal()
}
