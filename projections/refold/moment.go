package refold

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/detail"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
)

// By says which of an event's two times a moment is compared with.
type By string

// Ways to ask for a moment.
const (
	// ByRecorded asks what the ledger knew at that moment.
	ByRecorded By = "recorded"
	// ByOccurred asks what had happened by that moment, as the ledger knows today: news that came later
	// counts by when it happened.
	ByOccurred By = "occurred"
)

// Moment is a place in time that an order is asked for. The zero value is now.
type Moment struct {
	// Position, when set, takes what stands in the log up to and with it; Time and By do not matter then.
	Position *eventstore.Position
	// Time is inclusive. By is ByRecorded when empty.
	Time time.Time
	By   By
}

// ParseMoment reads a position (C:commit/P:prepare, or the commit alone), a time (RFC 3339) or a date
// (2006-01-02), which means the end of that day in UTC. by is empty, recorded or occurred.
func ParseMoment(text, by string) (Moment, error) {
	m := Moment{By: By(by)}
	switch m.By {
	case "":
		m.By = ByRecorded
	case ByRecorded, ByOccurred:
	default:
		return Moment{}, fmt.Errorf("by is %q, not recorded or occurred", by)
	}
	if p, err := eventstore.ParsePosition(text); err == nil {
		if m.By == ByOccurred {
			return Moment{}, errors.New("a position is a place in the log: by occurred wants a time")
		}
		m.Position = &p
		return m, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		m.Time = t.UTC()
		return m, nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		m.Time = day.AddDate(0, 0, 1).Add(-time.Nanosecond)
		return m, nil
	}
	return Moment{}, fmt.Errorf("%q is no position (C:commit/P:prepare), time (2006-01-02T15:04:05Z) or date (2006-01-02)", text)
}

// String is how people and ParseMoment read it.
func (m Moment) String() string {
	switch {
	case m.Position != nil:
		return m.Position.String()
	case m.Time.IsZero():
		return "now"
	}
	return m.Time.Format(time.RFC3339Nano)
}

// Place is where an event stands.
type Place struct {
	Revision   uint64    `json:"revision"`
	Position   string    `json:"position"`
	EventID    uuid.UUID `json:"event_id"`
	EventType  string    `json:"event_type"`
	OccurredAt time.Time `json:"occurred_at"`
	RecordedAt time.Time `json:"recorded_at"`
}

func (s *step) place() Place {
	return Place{
		Revision: s.event.Revision, Position: s.event.Position.String(), EventID: s.event.ID, EventType: s.event.Type,
		OccurredAt: s.occurredAt(), RecordedAt: s.recordedAt(),
	}
}

// Past is an order at a moment.
type Past struct {
	AsOf string `json:"as_of"`
	By   By     `json:"by"`
	// Events counts what was folded, Last is the newest of it.
	Events int   `json:"events"`
	Last   Place `json:"last_event"`
	// Parked says why the fold ended before the moment; the order is what it was before.
	Parked string `json:"parked,omitempty"`
	detail.Order
}

// At returns an order as it was at a moment, from the log alone, or ErrNotFound when it had no events
// then.
func At(ctx context.Context, log eventstore.Reader, stream string, m Moment) (Past, error) {
	f := newFold(stream)
	past := Past{AsOf: m.String(), By: m.By}
	happened := false // anything at all by then
	var unfoldable *UnfoldableError
	for s, err := range steps(ctx, log, stream) {
		if err != nil {
			return Past{}, err
		}
		verdict := m.judge(&s)
		if verdict == after {
			break
		}
		if verdict == skip {
			continue
		}
		if err := f.apply(&s); errors.As(err, &unfoldable) {
			break
		}
		happened = happened || verdict == take
		past.Last = s.place()
	}
	shown := f.shown()
	switch {
	case unfoldable != nil && shown == nil:
		return Past{}, unfoldable
	case shown == nil || !happened:
		return Past{}, fmt.Errorf("order %q as of %s: %w", f.id, m, ErrNotFound)
	case unfoldable != nil:
		past.Parked = unfoldable.Error()
	}
	past.Events, past.Order = len(f.done), *shown
	return past, nil
}

// verdict is what a moment says about an event.
type verdict uint8

const (
	take verdict = iota
	skip
	// takeAnyway: the event is later, but no other can be folded without it.
	takeAnyway
	// after: this one and all later ones are beyond the moment.
	after
)

// judge compares the times that the views show. It follows the log for what was recorded: an event that a fold takes has all events before it.
func (m Moment) judge(s *step) verdict {
	switch {
	case m.Position != nil:
		if s.event.Position.Compare(*m.Position) > 0 {
			return after
		}
	case m.Time.IsZero():
	case m.By == ByOccurred:
		if !storable.ShownTime(s.occurredAt()).After(m.Time) {
			return take
		}
		if _, registers := s.decoded.(order.OrderRegistered); registers { // whichever news came first told it
			return takeAnyway
		}
		return skip
	case storable.ShownTime(s.recordedAt()).After(m.Time):
		return after
	}
	return take
}
