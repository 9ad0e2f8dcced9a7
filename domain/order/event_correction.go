package order

import "time"

// CorrectionProposed asks for a correction that takes a second person's approval. It moves nothing.
type CorrectionProposed struct {
	CorrectionID string `json:"correction_id"`
	// ProposedBy is the person, whatever token they used; the envelope's actor names the token too.
	ProposedBy string `json:"proposed_by"`
	// Approver is the person whose approval is asked for; empty is anybody else.
	Approver        string       `json:"approver,omitempty"`
	CorrectsEventID string       `json:"corrects_event_id,omitempty"`
	Reason          string       `json:"reason"`
	Adjustments     []Adjustment `json:"adjustments"`
}

// CorrectionDeclined ends a proposal: the correction is not made.
type CorrectionDeclined struct {
	CorrectionID string `json:"correction_id"`
	DeclinedBy   string `json:"declined_by"` // a person
	Reason       string `json:"reason"`
}

// EventType is the stored type name.
func (CorrectionProposed) EventType() string { return "CorrectionProposed" }

// EventType is the stored type name.
func (CorrectionDeclined) EventType() string { return "CorrectionDeclined" }

func (CorrectionProposed) isEvent() {}
func (CorrectionDeclined) isEvent() {}

// CorrectionStatus is what became of a proposal.
type CorrectionStatus string

// What becomes of proposals.
const (
	CorrectionIsProposed CorrectionStatus = "PROPOSED"
	CorrectionIsApproved CorrectionStatus = "APPROVED"
	CorrectionIsDeclined CorrectionStatus = "DECLINED"
)

// Correction is a correction that was proposed.
type Correction struct {
	ID     string
	Status CorrectionStatus
	// ProposedBy is a person, Proposer the actor of the proposal.
	ProposedBy, Proposer string
	Approver             string // who is asked; once approved, the actor who did
	CorrectsEventID      string
	Reason               string
	Adjustments          []Adjustment
	ProposedAt           time.Time // UTC
	DecidedAt            time.Time // UTC; zero while it waits
}

func (s *State) applyCorrectionProposed(e CorrectionProposed, r *Recorded) {
	s.Corrections = append(s.Corrections, Correction{
		ID: e.CorrectionID, Status: CorrectionIsProposed, ProposedBy: e.ProposedBy, Proposer: r.Metadata.Actor, Approver: e.Approver,
		CorrectsEventID: e.CorrectsEventID, Reason: e.Reason, Adjustments: e.Adjustments, ProposedAt: r.Metadata.OccurredAt,
	})
}

// endCorrection notes what became of a proposal; approver is empty for one that was declined.
func (s *State) endCorrection(id, approver string, to CorrectionStatus, r *Recorded) {
	for i := range s.Corrections {
		if p := &s.Corrections[i]; id != "" && p.ID == id {
			p.Status, p.DecidedAt, p.Approver = to, r.Metadata.OccurredAt, either(approver, p.Approver)
		}
	}
}
