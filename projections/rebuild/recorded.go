package rebuild

import (
	"encoding/json"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
)

// A copy of what was recorded by a time has the log's order, and of each event what the live views have. Each event counts by its
// own time, but an order cannot be folded without the events in between: it counts up to its first event that was recorded later.
// The spill has no event that was recorded later; whoever loads an order finds the gap and leaves out what follows it.

// counts tells whether an event is among those that the set is made of, as far as the event itself tells.
func (s *Set) counts(ev *eventstore.RecordedEvent) bool {
	if s.RecordedBy == nil {
		return true
	}
	var envelope order.Metadata
	recorded := ev.Created
	if json.Unmarshal(ev.Metadata, &envelope) == nil && !envelope.RecordedAt.IsZero() {
		recorded = envelope.RecordedAt
	}
	return !storable.ShownTime(recorded).After(*s.RecordedBy)
}

// sameMoment tells whether two copies are of the same moment.
func (s *Set) sameMoment(other *Set) bool {
	if s.RecordedBy == nil || other.RecordedBy == nil {
		return s.RecordedBy == nil && other.RecordedBy == nil && s.Target == other.Target
	}
	return s.RecordedBy.Equal(*other.RecordedBy)
}

// gaps tells where orders end of which later events are left out. The zero value knows no order.
type gaps map[string]uint64

// follows tells whether an event of an order comes next, which is so for all up to the first that is missing.
func (g gaps) follows(ev *eventstore.RecordedEvent) bool {
	if ev.Revision != g[ev.Stream] {
		return false
	}
	g[ev.Stream]++
	return true
}
