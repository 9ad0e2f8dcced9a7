package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"github.com/order-ledger/order-ledger/eventstore"
)

// replayEventsMax bounds how many parked events one ReplayParked takes up; the
// next call goes on behind them.
const replayEventsMax = 10_000

func (g *group) droppedError() error {
	return groupFailure(codes.Canceled, g.config.key(), "persistent-subscription-dropped", "was dropped")
}

// loadCheckpoint finds the place up to which a group has processed everything.
func (p *persistentService) loadCheckpoint(ctx context.Context, k groupKey) (place int64, ok bool, err error) {
	newest := eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1}
	for e, err := range p.streams.node.ReadStream(ctx, k.checkpointStream(), newest) {
		if errors.Is(err, eventstore.ErrStreamNotFound) {
			return 0, false, nil
		}
		if err != nil {
			return 0, false, fmt.Errorf("load checkpoint: %w", err)
		}
		var text string
		if err := json.Unmarshal(e.Data, &text); err != nil {
			return 0, false, fmt.Errorf("load checkpoint %s@%d: %w", e.Stream, e.Revision, err)
		}
		position, err := eventstore.ParsePosition(text) // reads bare numbers, too
		if err != nil || position.Commit > math.MaxInt64 {
			return 0, false, fmt.Errorf("load checkpoint %s@%d: %q is no place: %w", e.Stream, e.Revision, text, err)
		}
		return int64(position.Commit), true, nil
	}
	return 0, false, nil
}

// placeText is how a group's place is written: a revision, or a position.
func (k groupKey) placeText(place int64) string {
	if k.stream == allStream {
		return eventstore.Position{Commit: uint64(place), Prepare: uint64(place)}.String()
	}
	return strconv.FormatInt(place, 10)
}

func (p *persistentService) saveCheckpoint(ctx context.Context, k groupKey, place int64) error {
	data, err := json.Marshal(k.placeText(place))
	if err != nil {
		return fmt.Errorf("encode checkpoint: %w", err)
	}
	_, err = p.streams.node.Append(ctx, k.checkpointStream(), eventstore.Any,
		eventstore.EventData{ID: uuid.New(), Type: checkpointType, JSON: true, Data: data})
	return err
}

// savePark adds a link to an event to the parked stream.
func (p *persistentService) savePark(ctx context.Context, k groupKey, e *eventstore.RecordedEvent, reason string) error {
	about, err := json.Marshal(map[string]any{
		"added": time.Now().UTC(), "reason": reason, "subscriptionEventNumber": e.Revision,
	})
	if err != nil {
		return fmt.Errorf("encode reason for parking: %w", err)
	}
	link := fmt.Appendf(nil, "%d@%s", e.Revision, e.Stream)
	_, err = p.streams.node.Append(ctx, k.parkedStream(), eventstore.Any,
		eventstore.EventData{ID: uuid.New(), Type: linkType, Data: link, Metadata: about})
	return err
}

func (p *persistentService) truncateParked(ctx context.Context, k groupKey, before int64) error {
	_, err := p.streams.node.SetStreamMetadata(ctx, k.parkedStream(), eventstore.Any, fmt.Appendf(nil, `{"$tb":%d}`, before))
	return err
}

// replay shows parked events again, up to a number of them, 0 for all. They
// stay in the parked stream until they are settled, so that a crash loses none.
func (g *group) replay(ctx context.Context, most uint64) error {
	if most == 0 || most > replayEventsMax {
		most = replayEventsMax
	}
	g.mu.Lock()
	from := uint64(g.replayNext)
	g.mu.Unlock()
	n := g.service.streams.node
	var found []*message
	next := int64(from)
	for e, err := range n.ReadStream(ctx, g.config.key().parkedStream(), eventstore.StreamRead{From: &from, Count: most}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		next = int64(e.Revision) + 1
		original, ok := resolveLink(ctx, n, &e)
		if !ok {
			continue // it is gone, there is nothing to show
		}
		m := &message{event: original, place: int64(original.Revision), parkedAt: int64(e.Revision)}
		if g.config.Stream == allStream {
			m.place = int64(original.Position.Commit)
		}
		g.resolve(m)
		found = append(found, m)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped || int64(from) != g.replayNext { // somebody else was faster
		return nil
	}
	g.replayNext = next
	g.replaying = append(g.replaying, found...)
	for _, m := range found {
		g.again(m)
	}
	if len(g.replaying) == 0 {
		g.truncate = next
		wake(g.due)
	}
	g.deal()
	return nil
}

// parked counts the events in the parked stream.
func (p *persistentService) parked(ctx context.Context, k groupKey) (int64, error) {
	bounds := [2]int64{0, -1}
	for i, d := range []eventstore.Direction{eventstore.Forwards, eventstore.Backwards} {
		for e, err := range p.streams.node.ReadStream(ctx, k.parkedStream(), eventstore.StreamRead{Direction: d, Count: 1}) {
			if errors.Is(err, eventstore.ErrStreamNotFound) {
				return 0, nil
			}
			if err != nil {
				return 0, err
			}
			bounds[i] = int64(e.Revision)
		}
	}
	return bounds[1] - bounds[0] + 1, nil
}

// resolveLink finds the event that a link points to; false when it is gone.
func resolveLink(ctx context.Context, n eventstore.Reader, link *eventstore.RecordedEvent) (eventstore.RecordedEvent, bool) {
	number, name, ok := strings.Cut(string(link.Data), "@")
	revision, err := strconv.ParseUint(number, 10, 63)
	if !ok || err != nil {
		return eventstore.RecordedEvent{}, false
	}
	for e, err := range n.ReadStream(ctx, name, eventstore.StreamRead{From: &revision, Count: 1}) {
		return e, err == nil && e.Revision == revision
	}
	return eventstore.RecordedEvent{}, false
}
