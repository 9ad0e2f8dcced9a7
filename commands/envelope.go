package commands

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// envelope is what all events of one append have in common.
type envelope struct {
	notification   Notification
	notificationID string
	eventID        string // the gateway's, else the body's digest
	digest         string
	translator     string
	recordedAt     time.Time
	actor          string // empty is system
}

// seal turns decisions into the events to append, and into what the fold will
// see of them once they are appended from the given revision on.
func (e *envelope) seal(decided []order.Decided, from uint64, ids *idSource) ([]eventstore.EventData, []order.Recorded, error) {
	sourceEventID := e.eventID
	if sourceEventID == "" {
		sourceEventID = e.digest
	}
	events := make([]eventstore.EventData, 0, len(decided))
	recorded := make([]order.Recorded, 0, len(decided))
	actor := e.actor
	if actor == "" {
		actor = "system"
	}
	cause := decided[0].ID.String()
	for i, d := range decided {
		by := actor
		if d.Actor != "" {
			by = d.Actor
		}
		metadata := order.Metadata{
			CorrelationID: e.notificationID, LedgerID: ids.next(e.recordedAt),
			OccurredAt: d.OccurredAt, OccurredAtBasis: d.Basis, ToldAt: d.ToldAt,
			ReceivedAt: e.notification.ReceivedAt, RecordedAt: e.recordedAt,
			Source: e.notification.Gateway, SourceAccount: e.notification.Account,
			SourceEventID: sourceEventID, SourceStatus: d.SourceStatus,
			Actor: by, Translator: e.translator, Flags: d.Flags,
		}
		if i > 0 {
			metadata.CausationID = cause
		}
		eventType, data, meta, err := order.Encode(d.Event, metadata)
		if err != nil {
			return nil, nil, err
		}
		events = append(events, eventstore.EventData{ID: d.ID, Type: eventType, JSON: true, Data: data, Metadata: meta})
		recorded = append(recorded, order.Recorded{Event: d.Event, ID: d.ID, Revision: from + uint64(i), Metadata: metadata})
	}
	return events, recorded, nil
}

// idSource mints ULIDs that sort by the time of recording.
type idSource struct {
	mu      sync.Mutex
	entropy *ulid.MonotonicEntropy
}

func newIDSource() *idSource {
	return &idSource{entropy: ulid.Monotonic(rand.Reader, 0)}
}

func (s *idSource) next(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return ulid.MustNew(ulid.Timestamp(now), s.entropy).String()
}
