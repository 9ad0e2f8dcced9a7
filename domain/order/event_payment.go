package order

import (
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
)

// PaymentInitiated introduces a payment of the order, or a further attempt at
// it.
type PaymentInitiated struct {
	PaymentID       string `json:"payment_id"`
	SourcePaymentID string `json:"source_payment_id,omitempty"`
	SourceOrderID   string `json:"source_order_id,omitempty"`
	// Amount is what the customer is asked for; nil when the source did not
	// say. It may be zero.
	Amount  *money.Money `json:"amount,omitempty"`
	Method  string       `json:"method,omitempty"`
	Attempt int          `json:"attempt,omitempty"`
	Version *Version     `json:"version,omitempty"`
}

// PaymentAmountLearned adds the amount that earlier reports of the payment
// left out, or replaces it after the gateway changed it.
type PaymentAmountLearned struct {
	PaymentID string      `json:"payment_id"`
	Amount    money.Money `json:"amount"`
	Method    string      `json:"method,omitempty"`
	Version   *Version    `json:"version,omitempty"`
}

// PaymentProcessingStarted says that the payer is authorising, or the bank is
// processing.
type PaymentProcessingStarted struct {
	PaymentID string `json:"payment_id"`
	Attempt   int    `json:"attempt,omitempty"`
}

// PaymentPendingAtProvider says that the provider has not decided yet.
type PaymentPendingAtProvider struct {
	PaymentID string `json:"payment_id"`
}

// PaymentAttemptFailed says that an attempt failed; another may follow.
type PaymentAttemptFailed struct {
	PaymentID         string `json:"payment_id"`
	Attempt           int    `json:"attempt,omitempty"`
	ReasonCode        string `json:"reason_code,omitempty"`
	ReasonGroup       string `json:"reason_group,omitempty"`
	Phase             string `json:"phase,omitempty"`
	AfterConfirmation bool   `json:"after_confirmation,omitempty"`
}

// PaymentAbandoned says that the customer gave up.
type PaymentAbandoned struct {
	PaymentID  string `json:"payment_id"`
	ReasonCode string `json:"reason_code,omitempty"`
}

// PaymentExpired says that the customer never started.
type PaymentExpired struct {
	PaymentID  string `json:"payment_id"`
	ReasonCode string `json:"reason_code,omitempty"`
}

// PaymentWithdrawn says that the merchant took the payment back before the
// customer started.
type PaymentWithdrawn struct {
	PaymentID  string `json:"payment_id"`
	ReasonCode string `json:"reason_code,omitempty"`
}

// PaymentOutcomeUnknown says that the gateway lost sight of the payment:
// neither failed nor paid until somebody tells.
type PaymentOutcomeUnknown struct {
	PaymentID string `json:"payment_id"`
}

// PaymentAuthorized says that the amount is blocked on the customer's account.
type PaymentAuthorized struct {
	PaymentID string      `json:"payment_id"`
	Amount    money.Money `json:"amount"`
	ExpiresAt *time.Time  `json:"expires_at,omitempty"`
}

// ReleaseCause tells why a hold ended without a capture.
type ReleaseCause string

// Causes of a release.
const (
	ReleasePartialCapture ReleaseCause = "partial_capture"
	ReleaseReversed       ReleaseCause = "reversed"
	ReleaseCancelled      ReleaseCause = "cancelled"
	ReleaseLateHold       ReleaseCause = "late_hold"
)

// AuthorizationReleased unblocks held money.
type AuthorizationReleased struct {
	PaymentID string       `json:"payment_id"`
	Amount    money.Money  `json:"amount"`
	Cause     ReleaseCause `json:"cause"`
}

// PaymentConfirmed says that the payer authorised the payment in the bank; it
// is expected, not yet paid.
type PaymentConfirmed struct {
	PaymentID string      `json:"payment_id"`
	Amount    money.Money `json:"amount"`
}

// PaymentCaptured says that the money is ours to receive from the gateway.
type PaymentCaptured struct {
	PaymentID string      `json:"payment_id"`
	Amount    money.Money `json:"amount"`
	Method    string      `json:"method,omitempty"`
	Scheme    string      `json:"scheme,omitempty"`
	ARN       string      `json:"arn,omitempty"`
	// Implied says that no report named the capture itself: a later fact, a
	// refund for example, cannot be without it.
	Implied bool `json:"implied,omitempty"`
	// AmountOfPayment says that the report left the amount out: it is what
	// the payment was asked for.
	AmountOfPayment bool `json:"amount_of_payment,omitempty"`
	// Assumed says that the amount was not told (domain rule A26).
	Assumed bool `json:"assumed,omitempty"`
}

// PaymentSettled says that the money arrived.
type PaymentSettled struct {
	PaymentID     string       `json:"payment_id"`
	Amount        money.Money  `json:"amount"`
	SettlementRef string       `json:"settlement_ref,omitempty"`
	Net           *money.Money `json:"net,omitempty"`
	Fee           *money.Money `json:"fee,omitempty"`
}

// ReversalInitiated says that a reversal was asked for.
type ReversalInitiated struct {
	PaymentID string       `json:"payment_id"`
	Amount    *money.Money `json:"amount,omitempty"`
}

// ReversalFailed says that a reversal did not happen. Phase is init (never
// accepted) or processing.
type ReversalFailed struct {
	PaymentID string `json:"payment_id"`
	Reason    string `json:"reason,omitempty"`
	Phase     string `json:"phase,omitempty"`
}

// PaymentReversed undoes a capture before clearing, as if never paid.
type PaymentReversed struct {
	PaymentID string      `json:"payment_id"`
	Amount    money.Money `json:"amount"`
	Assumed   bool        `json:"assumed,omitempty"`
}

// EnrichmentPending records a money fact that cannot be counted yet because
// the report left out the amount, or what it acts on. The fact is counted as
// soon as the missing part is reported.
type EnrichmentPending struct {
	PaymentID string `json:"payment_id,omitempty"`
	RefundID  string `json:"refund_id,omitempty"`
	// Awaited is the type of the event that waits, Key the key of its fact.
	Awaited string `json:"awaited"`
	Key     string `json:"key"`
	// Amount is the cumulative amount, where it is known.
	Amount *money.Money `json:"amount,omitempty"`
}

// PayoutStatus is the state of an order that sends money out.
type PayoutStatus string

// States of a payout.
const (
	PayoutStateRequested  PayoutStatus = "REQUESTED"
	PayoutStateProcessing PayoutStatus = "PROCESSING"
	PayoutStatePaid       PayoutStatus = "PAID"
	PayoutStateFailed     PayoutStatus = "FAILED"
	PayoutStateCancelled  PayoutStatus = "CANCELLED"
	PayoutStateReversed   PayoutStatus = "REVERSED"
)

// PayoutRequested says that money is to be sent out.
type PayoutRequested struct {
	PayoutID string       `json:"payout_id"`
	Amount   *money.Money `json:"amount,omitempty"`
}

// PayoutProcessing says that a payout is under way.
type PayoutProcessing struct {
	PayoutID string `json:"payout_id"`
}

// PayoutCompleted says that the money went out.
type PayoutCompleted struct {
	PayoutID string      `json:"payout_id"`
	Amount   money.Money `json:"amount"`
}

// PayoutFailed says that the money did not go out.
type PayoutFailed struct {
	PayoutID   string `json:"payout_id"`
	ReasonCode string `json:"reason_code,omitempty"`
}

// PayoutCancelled says that the payout was called off.
type PayoutCancelled struct {
	PayoutID string `json:"payout_id"`
}

// PayoutReversed says that money that had gone out came back.
type PayoutReversed struct {
	PayoutID string      `json:"payout_id"`
	Amount   money.Money `json:"amount"`
}

func (PaymentInitiated) EventType() string         { return "PaymentInitiated" }
func (PaymentAmountLearned) EventType() string     { return "PaymentAmountLearned" }
func (PaymentProcessingStarted) EventType() string { return "PaymentProcessingStarted" }
func (PaymentPendingAtProvider) EventType() string { return "PaymentPendingAtProvider" }
func (PaymentAttemptFailed) EventType() string     { return "PaymentAttemptFailed" }
func (PaymentAbandoned) EventType() string         { return "PaymentAbandoned" }
func (PaymentExpired) EventType() string           { return "PaymentExpired" }
func (PaymentWithdrawn) EventType() string         { return "PaymentWithdrawn" }
func (PaymentOutcomeUnknown) EventType() string    { return "PaymentOutcomeUnknown" }
func (PaymentAuthorized) EventType() string        { return "PaymentAuthorized" }
func (AuthorizationReleased) EventType() string    { return "AuthorizationReleased" }
func (PaymentConfirmed) EventType() string         { return "PaymentConfirmed" }
func (PaymentCaptured) EventType() string          { return "PaymentCaptured" }
func (PaymentSettled) EventType() string           { return "PaymentSettled" }
func (ReversalInitiated) EventType() string        { return "ReversalInitiated" }
func (ReversalFailed) EventType() string           { return "ReversalFailed" }
func (PaymentReversed) EventType() string          { return "PaymentReversed" }
func (EnrichmentPending) EventType() string        { return "EnrichmentPending" }
func (PayoutRequested) EventType() string          { return "PayoutRequested" }
func (PayoutProcessing) EventType() string         { return "PayoutProcessing" }
func (PayoutCompleted) EventType() string          { return "PayoutCompleted" }
func (PayoutFailed) EventType() string             { return "PayoutFailed" }
func (PayoutCancelled) EventType() string          { return "PayoutCancelled" }
func (PayoutReversed) EventType() string           { return "PayoutReversed" }

func (PaymentInitiated) isEvent()         {}
func (PaymentAmountLearned) isEvent()     {}
func (PaymentProcessingStarted) isEvent() {}
func (PaymentPendingAtProvider) isEvent() {}
func (PaymentAttemptFailed) isEvent()     {}
func (PaymentAbandoned) isEvent()         {}
func (PaymentExpired) isEvent()           {}
func (PaymentWithdrawn) isEvent()         {}
func (PaymentOutcomeUnknown) isEvent()    {}
func (PaymentAuthorized) isEvent()        {}
func (AuthorizationReleased) isEvent()    {}
func (PaymentConfirmed) isEvent()         {}
func (PaymentCaptured) isEvent()          {}
func (PaymentSettled) isEvent()           {}
func (ReversalInitiated) isEvent()        {}
func (ReversalFailed) isEvent()           {}
func (PaymentReversed) isEvent()          {}
func (EnrichmentPending) isEvent()        {}
func (PayoutRequested) isEvent()          {}
func (PayoutProcessing) isEvent()         {}
func (PayoutCompleted) isEvent()          {}
func (PayoutFailed) isEvent()             {}
func (PayoutCancelled) isEvent()          {}
func (PayoutReversed) isEvent()           {}
