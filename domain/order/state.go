package order

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/money"
)

// State is an order as its events tell it: the fold of its stream. The zero
// value is an order without events. Balances and public states are derived
// from it (see Balances, PaymentState, RefundState, DisputeState).
type State struct {
	ID                string
	Exists            bool
	Kind              Kind
	IsTest            bool
	Source            string
	SourceAccount     string
	SourceOrderID     string
	MerchantReference string
	Currency          money.Currency // zero until the first amount

	AmountDue       money.Money
	DueKnown        bool
	DueFromPayments bool
	dueVersion      versionMark // the newest of the order
	MaxAttempts     int
	// RefundLimitPercent is how much of the amount due may be refunded, as a decimal; empty and
	// 0 are no limit besides what was captured.
	RefundLimitPercent string
	DueAt              *time.Time
	External           money.Money // paid outside the gateway

	Lifecycle     Lifecycle
	LifecycleAt   time.Time
	GatewayStatus string // verbatim, the newest
	statusAt      time.Time
	statusRank    int

	Payments []Payment // in order of appearance
	Refunds  []Refund
	Disputes []Dispute
	Payout   Payout
	// Settlements are the lines of statements that confirmed movements, in order.
	Settlements []Settlement
	// GatewayActions are what our commands asked of the gateway, in order.
	GatewayActions []GatewayAction
	// Corrections are those that people proposed, in order.
	Corrections []Correction

	mismatches           []mismatch // lines of statements that do not agree with the order
	flags                []Flag     // sorted, without duplicates
	gatewayOrderStatus   string     // verbatim, the newest
	gatewayOrderAt       time.Time
	gatewayOrderRevision uint64   // when that was recorded
	dueRevision          uint64   // when the amount due changed last; 0 for never
	rejected             bool     // the customer told the merchant; a cancellation at the gateway only follows
	holdsEnded           []string // gateway orders whose holds are over; "" is all of them
	err                  error    // the first breach of an invariant

	FirstRecordedAt, LastRecordedAt time.Time
	// FirstPosition is the commit position of the first event; 0 while not yet appended.
	FirstPosition uint64
	Revision      uint64 // of the last event
	Position      uint64 // commit position of the last event
	LastEventID   uuid.UUID

	seen eventIDs
	// known holds further ids that belong to the state that a scratch copy was
	// made of; see scratch.
	known eventIDs
}

// LastEvent names the newest event.
func (s *State) LastEvent() Ref {
	return Ref{ID: s.LastEventID, Revision: s.Revision, Position: s.Position}
}

// Seen tells whether an event with this id is in the stream.
func (s *State) Seen(id uuid.UUID) bool { return s.seen.has(id) || s.known.has(id) }

// events counts the events folded.
func (s *State) events() int { return s.seen.len() + s.known.len() }

// Lifecycle is the last due-date or closing fact; payment does not change it.
type Lifecycle string

// Lifecycles.
const (
	LifecycleOpen      Lifecycle = "OPEN"
	LifecycleOverdue   Lifecycle = "OVERDUE"
	LifecycleExpired   Lifecycle = "EXPIRED"
	LifecycleCancelled Lifecycle = "CANCELLED"
	LifecycleRejected  Lifecycle = "REJECTED"
)

// PaymentStatus is the public state of one payment.
type PaymentStatus string

// States of payments.
const (
	PaymentInitiatedStatus  PaymentStatus = "INITIATED"
	PaymentViewedStatus     PaymentStatus = "VIEWED"
	PaymentProcessingStatus PaymentStatus = "PROCESSING"
	PaymentPendingStatus    PaymentStatus = "PENDING"
	PaymentConfirmedStatus  PaymentStatus = "CONFIRMED"
	PaymentUnknownStatus    PaymentStatus = "OUTCOME_UNKNOWN"
	PaymentFailedStatus     PaymentStatus = "FAILED"
	PaymentAbandonedStatus  PaymentStatus = "ABANDONED"
	PaymentExpiredStatus    PaymentStatus = "EXPIRED"
	PaymentWithdrawnStatus  PaymentStatus = "WITHDRAWN"
	PaymentAuthorizedStatus PaymentStatus = "AUTHORISED"
	PaymentReleasedStatus   PaymentStatus = "RELEASED"
	PaymentCapturedStatus   PaymentStatus = "CAPTURED"
	PaymentSettledStatus    PaymentStatus = "SETTLED"
	PaymentReversedStatus   PaymentStatus = "REVERSED"
)

// HoldLength is how long a hold lasts where the gateway does not say: DECTA cancels it then.
const HoldLength = 28 * 24 * time.Hour

// Payment is one payment of an order. All amounts are cumulative and in the
// order's currency.
type Payment struct {
	ID             string
	SourceID       string
	SourceOrderID  string
	Method         string
	Status         PaymentStatus
	ReasonCode     string
	Attempts       int
	LastOccurredAt time.Time
	// LastEvent is the newest event about the payment itself; its refunds and disputes have their own.
	LastEvent Ref

	// Amount is what the customer is asked for, if known.
	Amount      money.Money
	AmountKnown bool

	Held     money.Money // ever authorised
	Released money.Money // of what was held
	Captured money.Money
	Settled  money.Money
	Reversed money.Money
	// Confirmed is what the payer's bank confirmed.
	Confirmed money.Money
	// Dead: failed for good, abandoned, expired or withdrawn. Money may still
	// arrive.
	Dead bool
	// HoldEnded: the gateway closed the order; a hold that is reported later
	// is over already.
	HoldEnded bool

	// What waits for a missing part.
	AwaitsCapture, AwaitsSettle, AwaitsConfirm *Awaiting
	AwaitsReversal                             *Awaiting

	amountVersion versionMark
	holdEnds      time.Time // when the gateway ends the hold by itself; zero without one
	// captureRevisable: the captured amount was not told with the capture and
	// gives way to a told one.
	captureRevisable bool
	captureImplied   bool
	reversing        bool // asked for, outcome not known
	captureEvent     uuid.UUID
	capturedAt       time.Time
	takenBack        mark // newest movement of the taken-back counter

	refundCounter     money.Money // completed refunds, gross, those by hand excepted
	refundedByHand    money.Money
	refundBackCounter money.Money // refunds reversed
	refundAssumed     uuid.UUID   // the completion whose amount was assumed
	refundCounted     mark        // newest movement of the refund counters
	refundEnded       mark        // newest end of a refund, or of what was refunded
	refundClosed      mark        // newest end of a refund under way

	withdrawnCounter money.Money
	returnedCounter  money.Money
	withdrawnAssumed uuid.UUID
	disputeCounted   mark
}

// Awaiting is a money fact without its amount, or without what it acts on.
type Awaiting struct {
	Key        string
	OccurredAt time.Time
	Basis      Basis
	Status     string
	Amount     money.Money // zero when unknown
}

// RefundStatus is the public state of one refund.
type RefundStatus string

// States of refunds.
const (
	RefundInitiatedStatus RefundStatus = "INITIATED"
	RefundCompletedStatus RefundStatus = "COMPLETED"
	RefundFailedStatus    RefundStatus = "FAILED"
	RefundReversedStatus  RefundStatus = "REVERSED"
)

// Refund is one refund of an order.
type Refund struct {
	ID        string
	SourceID  string
	PaymentID string
	Status    RefundStatus
	// Amount is what is to be or was refunded, if known.
	Amount      money.Money
	AmountKnown bool
	Completed   money.Money
	Reversed    money.Money
	// Open: initiated, outcome not known.
	Open           bool
	AwaitsComplete *Awaiting
	completions    int
	Announced      bool
	InitiatedAt    time.Time // occurred; zero when never announced
	begunUnknown   bool      // InitiatedAt is but the receipt: the source told an absurd time
	ResolvedAt     time.Time // occurred; zero while open
	LastRecordedAt time.Time
	LastEvent      Ref // the newest about it
	ReasonCode     string
	ByHand         bool // the gateway was not asked
	GivenByHand    bool // completed, and not through the gateway
	External       bool // of money that was received outside the gateway
}

// Dispute is one dispute about a payment.
type Dispute struct {
	ID         string
	Track      Track
	N          int // 1 for the first of its track
	PaymentID  string
	Stage      Stage // the furthest reached
	Outcome    Outcome
	Resolved   bool
	ResolvedAt time.Time
	ReasonCode string
	ARN        string
	CaseNo     string
	// Amount is what is disputed, if known.
	Amount      money.Money
	AmountKnown bool
	Withdrawn   money.Money
	Returned    money.Money
	Lost        money.Money
	// Provision is how much of it is expected to be lost while it has no outcome.
	Provision money.Money
	Movements int
	RespondBy *time.Time
	Steps     []DisputeStep
	LastEvent Ref // that of the newest step
}

// Held is what is taken of this dispute and not finally lost; never negative.
func (d *Dispute) Held() money.Money {
	return floorZero(sub(sub(d.Withdrawn, d.Returned), d.Lost))
}

// DisputeStep is one line of a dispute's timeline.
type DisputeStep struct {
	Seq        int    // from 1
	Stage      string // a Stage, or funds_withdrawn, funds_reinstated, corrected, resolved_<outcome>
	Amount     money.Money
	Moved      money.Money // signed from the merchant's side: negative was taken
	OccurredAt time.Time
	RecordedAt time.Time
	Event      Ref
}

// Payout is the money side of a payout order.
type Payout struct {
	ID      string
	Status  PayoutStatus
	Amount  money.Money
	Known   bool
	PaidOut money.Money

	completed, reversed bool
	completedAt         time.Time
}

// Clone copies the state so that both copies can be folded on independently.
func (s *State) Clone() State {
	c := s.scratch()
	c.seen, c.known = s.known.clone(), eventIDs{}
	for id := range s.seen.all() {
		c.seen.add(id)
	}
	return c
}

// scratch is a Clone that is cheaper to make, and good only as long as s is
// not folded on: it looks event ids of the past up in s.
func (s *State) scratch() State {
	c := *s
	c.Payments = slices.Clone(s.Payments)
	c.Refunds = slices.Clone(s.Refunds)
	c.Disputes = slices.Clone(s.Disputes)
	for i := range c.Disputes {
		c.Disputes[i].Steps = slices.Clone(s.Disputes[i].Steps)
	}
	c.GatewayActions, c.Corrections = slices.Clone(s.GatewayActions), slices.Clone(s.Corrections)
	c.Settlements, c.mismatches = slices.Clone(s.Settlements), slices.Clone(s.mismatches)
	c.flags, c.holdsEnded = slices.Clone(s.flags), slices.Clone(s.holdsEnded)
	c.seen, c.known = eventIDs{}, s.seen
	return c
}
