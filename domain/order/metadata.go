package order

import (
	"time"

	"github.com/google/uuid"
)

// Basis tells where occurred_at comes from.
type Basis string

// Bases of occurred_at.
const (
	BasisStatusChange Basis = "source_status_change"
	BasisSourceEvent  Basis = "source_event"
	BasisSourceField  Basis = "source_field"
	BasisReceived     Basis = "received"
	BasisOperator     Basis = "operator"
	// BasisSourceDay: the source tells a day, and occurred_at is its midnight in UTC. It is that day in any time zone.
	BasisSourceDay Basis = "source_day"
)

// Metadata is the envelope of an event: what was known about it besides what
// it says. It is stored beside the event's data as JSON.
type Metadata struct {
	// CorrelationID is the notification or command that everything in one
	// append comes from; CausationID is the event that caused this one.
	CorrelationID string `json:"$correlationId,omitempty"`
	CausationID   string `json:"$causationId,omitempty"`
	// LedgerID is a ULID for people and reports, sortable by recording time.
	LedgerID string `json:"ledger_id"`
	// Schema is the version of the event type's data.
	Schema int `json:"schema"`
	// OccurredAt is when it happened, as the source tells (see Basis);
	// RecordedAt is when the ledger learnt it. Both UTC.
	OccurredAt      time.Time `json:"occurred_at"`
	OccurredAtBasis Basis     `json:"occurred_at_basis"`
	// ToldAt is the time that the source told where nobody can believe it: OccurredAt is the receipt then. It orders what
	// the same clock told, and nothing else.
	ToldAt        time.Time `json:"told_at,omitzero"`
	ReceivedAt    time.Time `json:"received_at,omitzero"`
	RecordedAt    time.Time `json:"recorded_at"`
	Source        string    `json:"source"`
	SourceAccount string    `json:"source_account,omitempty"`
	SourceEventID string    `json:"source_event_id,omitempty"`
	SourceStatus  string    `json:"source_status,omitempty"`
	Actor         string    `json:"actor"`
	Translator    string    `json:"translator,omitempty"`
	Flags         []Flag    `json:"flags,omitempty"`
}

// received is when the ledger was told; commands are recorded when they are given.
func (m *Metadata) received() time.Time {
	if m.ReceivedAt.IsZero() {
		return m.RecordedAt
	}
	return m.ReceivedAt
}

// Recorded is an event together with its place and envelope, as the fold sees
// it.
type Recorded struct {
	Event    Event
	ID       uuid.UUID
	Revision uint64 // within the order's stream
	Position uint64 // commit position in the log; 0 while not yet appended
	Metadata Metadata
}

// Ref names an event of an order's stream.
type Ref struct {
	ID       uuid.UUID
	Revision uint64 // within the stream
	Position uint64 // commit position in the log
}

// ref names the event itself.
func (r *Recorded) ref() Ref { return Ref{ID: r.ID, Revision: r.Revision, Position: r.Position} }
