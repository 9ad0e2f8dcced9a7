package order

import (
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
)

// RefundInitiated announces a refund. A nil amount means that the source did
// not say; a second RefundInitiated of the same refund adds it.
type RefundInitiated struct {
	RefundID       string       `json:"refund_id"`
	SourceRefundID string       `json:"source_refund_id,omitempty"`
	PaymentID      string       `json:"payment_id,omitempty"`
	Amount         *money.Money `json:"amount,omitempty"`
	InitiatedBy    string       `json:"initiated_by,omitempty"`
	// ByHand says that the gateway is not asked: somebody gives the money back.
	ByHand bool `json:"by_hand,omitempty"`
	// External says that it is money that was received outside the gateway.
	External bool `json:"external,omitempty"`
}

// RefundCompleted says that money went back to the customer.
type RefundCompleted struct {
	RefundID  string      `json:"refund_id"`
	PaymentID string      `json:"payment_id,omitempty"`
	Amount    money.Money `json:"amount"`
	ARN       string      `json:"arn,omitempty"`
	// Assumed says that the amount was not told (domain rule A7).
	Assumed bool `json:"assumed,omitempty"`
	// ByHand says that an operator tells it: the money did not go through the gateway, whose counters do
	// not hold it. Reference names the transfer.
	ByHand    bool   `json:"by_hand,omitempty"`
	Reference string `json:"reference,omitempty"`
}

// RefundFailed says that a refund did not happen. Phase is init (never
// accepted) or processing.
type RefundFailed struct {
	RefundID   string `json:"refund_id"`
	PaymentID  string `json:"payment_id,omitempty"`
	ReasonCode string `json:"reason_code,omitempty"`
	Phase      string `json:"phase,omitempty"`
}

// RefundReversed says that refunded money came back to the merchant.
type RefundReversed struct {
	RefundID  string      `json:"refund_id"`
	PaymentID string      `json:"payment_id,omitempty"`
	Amount    money.Money `json:"amount"`
	Assumed   bool        `json:"assumed,omitempty"`
}

// RefundExtent tells how much of a payment a refund of unknown amount gave back.
type RefundExtent string

// Extents of refunds. ExtentFull says that nothing of the payment is left to refund, and that all of it
// had been counted before. ExtentUnknown says that nobody told.
const (
	ExtentFull    RefundExtent = "full"
	ExtentPartial RefundExtent = "partial"
	ExtentUnknown RefundExtent = "unknown"
)

// RefundObserved says that a refund ended well, but not with which amount
// (domain rule A17); balances wait until somebody tells.
//
// Version 2. Version 1 told partial refunds only; without it, a reader could not tell a full refund
// from one that nobody had said anything about.
type RefundObserved struct {
	RefundID  string       `json:"refund_id"`
	PaymentID string       `json:"payment_id,omitempty"`
	Extent    RefundExtent `json:"extent"`
}

// Track is one of the three independent courses of disputes about a payment.
type Track string

// Tracks of disputes.
const (
	TrackChargeback Track = "chargeback"
	TrackCompliance Track = "compliance"
	TrackSide       Track = "side"
)

// Stage is a step of a dispute. Stages move no money.
type Stage string

// Stages of disputes.
const (
	StageRetrieval      Stage = "retrieval"
	StageChargeback     Stage = "chargeback"
	StageRepresentment  Stage = "representment"
	StagePreArbitration Stage = "pre_arbitration"
	StageArbitration    Stage = "arbitration"
	StagePreCompliance  Stage = "pre_compliance"
	StageCompliance     Stage = "compliance"
	StageFraudAdvice    Stage = "fraud_advice"
	StageGoodFaith      Stage = "good_faith"
)

// DisputeStageEntered is the common body of the nine stage events; Stage picks
// the stored type name.
type DisputeStageEntered struct {
	Stage           Stage        `json:"stage"`
	DisputeID       string       `json:"dispute_id"`
	SourceDisputeID string       `json:"source_dispute_id,omitempty"`
	Track           Track        `json:"track"`
	PaymentID       string       `json:"payment_id,omitempty"`
	DisputedAmount  *money.Money `json:"disputed_amount,omitempty"`
	ReasonCode      string       `json:"reason_code,omitempty"`
	ARN             string       `json:"arn,omitempty"`
	CaseNo          string       `json:"case_no,omitempty"`
	RespondBy       *time.Time   `json:"respond_by,omitempty"`
	InitiatedBy     string       `json:"initiated_by,omitempty"`
}

// DisputeFundsWithdrawn says that disputed money was taken from us.
type DisputeFundsWithdrawn struct {
	DisputeID  string      `json:"dispute_id"`
	Track      Track       `json:"track"`
	PaymentID  string      `json:"payment_id,omitempty"`
	MovementNo int         `json:"movement_no"`
	Amount     money.Money `json:"amount"`
	Assumed    bool        `json:"assumed,omitempty"`
}

// DisputeFundsReinstated says that disputed money was given back to us.
type DisputeFundsReinstated struct {
	DisputeID  string      `json:"dispute_id"`
	Track      Track       `json:"track"`
	PaymentID  string      `json:"payment_id,omitempty"`
	MovementNo int         `json:"movement_no"`
	Amount     money.Money `json:"amount"`
}

// Outcome of a dispute.
type Outcome string

// Outcomes of disputes, from the merchant's side.
const (
	OutcomeWon       Outcome = "won"
	OutcomeLost      Outcome = "lost"
	OutcomeAccepted  Outcome = "accepted"
	OutcomeExpired   Outcome = "expired"
	OutcomeWithdrawn Outcome = "withdrawn"
	OutcomeSplit     Outcome = "split"
)

// DisputeResolved ends a dispute. What is held of it equals AmountLost when
// this event is written: whoever decides it withdraws or reinstates first.
type DisputeResolved struct {
	DisputeID  string       `json:"dispute_id"`
	Outcome    Outcome      `json:"outcome"`
	AmountLost *money.Money `json:"amount_lost,omitempty"`
}

// DisputeProvisioned says how much of an open dispute is expected to be lost: the whole of it, which replaces what was
// expected before. Zero is nothing. It moves no balance of the order; the books hold it until the dispute has an outcome.
type DisputeProvisioned struct {
	DisputeID string      `json:"dispute_id"`
	Amount    money.Money `json:"amount"`
}

func (RefundInitiated) EventType() string        { return "RefundInitiated" }
func (RefundCompleted) EventType() string        { return "RefundCompleted" }
func (RefundFailed) EventType() string           { return "RefundFailed" }
func (RefundObserved) EventType() string         { return "RefundObserved" }
func (RefundReversed) EventType() string         { return "RefundReversed" }
func (DisputeFundsWithdrawn) EventType() string  { return "DisputeFundsWithdrawn" }
func (DisputeFundsReinstated) EventType() string { return "DisputeFundsReinstated" }
func (DisputeResolved) EventType() string        { return "DisputeResolved" }
func (DisputeProvisioned) EventType() string     { return "DisputeProvisioned" }

// EventType depends on the stage.
func (e DisputeStageEntered) EventType() string {
	switch e.Stage {
	case StageRetrieval:
		return "RetrievalRequested"
	case StageChargeback:
		return "ChargebackReceived"
	case StageRepresentment:
		return "RepresentmentFiled"
	case StagePreArbitration:
		return "PreArbitrationOpened"
	case StageArbitration:
		return "ArbitrationOpened"
	case StagePreCompliance:
		return "PreComplianceOpened"
	case StageCompliance:
		return "ComplianceOpened"
	case StageFraudAdvice:
		return "FraudAdviceReceived"
	case StageGoodFaith:
		return "GoodFaithRequested"
	}
	return "DisputeStageEntered"
}

// Track of a stage.
func (s Stage) Track() Track {
	switch s {
	case StageFraudAdvice, StageGoodFaith:
		return TrackSide
	case StagePreCompliance, StageCompliance:
		return TrackCompliance
	case StageRetrieval, StageChargeback, StageRepresentment, StagePreArbitration, StageArbitration:
		return TrackChargeback
	}
	return TrackChargeback
}

func (RefundInitiated) isEvent()        {}
func (RefundCompleted) isEvent()        {}
func (RefundFailed) isEvent()           {}
func (RefundObserved) isEvent()         {}
func (RefundReversed) isEvent()         {}
func (DisputeStageEntered) isEvent()    {}
func (DisputeFundsWithdrawn) isEvent()  {}
func (DisputeFundsReinstated) isEvent() {}
func (DisputeProvisioned) isEvent()     {}
func (DisputeResolved) isEvent()        {}
