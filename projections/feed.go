package projections

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/freshness"
)

// item is one message of the subscription, decoded.
type item struct {
	position eventstore.Position
	// event is nil for a checkpoint of the server, for caughtUp and for a canary.
	event    *eventstore.RecordedEvent
	caughtUp bool
	// canary: the event has no rows; its position is to be visible at once.
	canary bool
	// id is that of the event, also of a canary; the nil id when there is none.
	id uuid.UUID

	// category and orderID name the order; an empty category is a quarantine stream.
	category order.Category
	orderID  string
	recorded order.Recorded
	// metadata is nil when the envelope could not be decoded, err is why the event could not.
	metadata *order.Metadata
	err      error

	weight int64
}

// weightOf estimates the memory of an event in bytes.
func weightOf(ev *eventstore.RecordedEvent) int64 {
	const fixed = 512
	return fixed + int64(len(ev.Data)+len(ev.Metadata))
}

// errGap says that the log was not shown completely.
var errGap = errors.New("the subscription skipped an event")

// feed follows the log from a checkpoint on and hands every message on, decoded, until ctx ends or
// the subscription does; with an end, no further than that, and exactly that far. budget bounds the
// bytes that wait in out.
func feed(
	ctx context.Context, log eventstore.Subscriber, from checkpoint.Checkpoint, end *eventstore.Position,
	budget *semaphore.Weighted, most int64, out chan<- *item,
) error {
	sub := eventstore.AllSubscription{Filter: eventstore.Filter{StreamPrefixes: StreamPrefixes()}}
	if from.Known {
		sub.After = &from.Position
	}
	for message, err := range log.SubscribeAll(ctx, sub) {
		if errors.Is(err, eventstore.ErrInvalid) && from.Known { // the log has no such position
			return fmt.Errorf("%w: follow it from %s: %w", ErrForeignLog, from, err)
		}
		if err != nil {
			return fmt.Errorf("follow the log from %s: %w", from, err)
		}
		it := decode(message)
		if end != nil && (it.caughtUp || it.position.Compare(*end) > 0) {
			// Everything up to the end was shown.
			it = &item{position: *end, canary: true}
		}
		it.weight = min(it.weight, most)
		if err := budget.Acquire(ctx, it.weight); err != nil {
			return err
		}
		select {
		case out <- it:
		case <-ctx.Done():
			return ctx.Err()
		}
		if end != nil && it.position.Compare(*end) >= 0 {
			<-ctx.Done()
			return ctx.Err()
		}
	}
	return fmt.Errorf("follow the log from %s: the subscription ended without a reason", from)
}

// StreamPrefixes are the prefixes of all streams that a runner follows: what the views show, and the
// canaries that tell how fresh they are.
func StreamPrefixes() []string { return append(ModelPrefixes(), freshness.StreamPrefix) }

// ModelPrefixes are the prefixes of the streams that make rows.
func ModelPrefixes() []string {
	return append(order.StreamPrefixes(), accounting.PeriodStreamPrefix, settlement.StreamPrefix)
}

func decode(message eventstore.Message) *item {
	switch m := message.(type) {
	case eventstore.EventAppeared:
		if strings.HasPrefix(m.Event.Stream, freshness.StreamPrefix) {
			return &item{position: m.Event.Position, canary: true, id: m.Event.ID}
		}
		return decodeEvent(&m.Event)
	case eventstore.CheckpointReached:
		return &item{position: m.Position}
	case eventstore.CaughtUp:
		return &item{caughtUp: true}
	}
	return &item{caughtUp: false}
}

// decodeEvent never fails: what is wrong with an event is for the fold to judge.
func decodeEvent(ev *eventstore.RecordedEvent) *item {
	it := new(item)
	it.decode(ev)
	return it
}

// decode makes the item what decodeEvent makes of an event.
func (it *item) decode(ev *eventstore.RecordedEvent) {
	*it = item{position: ev.Position, event: ev, id: ev.ID, weight: weightOf(ev)}
	it.category, it.orderID, _ = order.ParseStreamName(ev.Stream)
	it.metadata = &it.recorded.Metadata
	event, err := order.DecodeInto(it.metadata, ev.Type, ev.Data, ev.Metadata)
	if err != nil {
		it.err, it.metadata = err, nil
		var readable order.Metadata
		if json.Unmarshal(ev.Metadata, &readable) == nil {
			it.metadata = &readable
		}
		return
	}
	r := &it.recorded
	r.Event, r.ID, r.Revision, r.Position = event, ev.ID, ev.Revision, ev.Position.Commit
}

// gatewayOf takes the gateway's name from the name of a quarantine stream.
func gatewayOf(stream string) string {
	_, gateway, _ := strings.Cut(stream, "-")
	return gateway
}
