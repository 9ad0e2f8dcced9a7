package order

import (
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Fact is one thing that a source reports, in neutral words. Translators turn
// a gateway's bodies into facts; Decide turns facts into events, drops what is
// known, and makes every order of arrival end with the same balances.
//
//sumtype:decl
type Fact interface{ about() At }

// At is what every fact carries.
type At struct {
	// Key identifies the meaning: the same fact told again, by whatever
	// notification, MUST carry the same key, and no other fact may.
	Key        string
	OccurredAt time.Time // UTC; zero means "when it was received"
	Basis      Basis
	// Status is the source's own word, verbatim.
	Status string
	Flags  []Flag
}

func (a At) about() At { return a }

// PaymentRef names a payment by what the source calls it.
type PaymentRef struct {
	// SourceID identifies the payment within the gateway.
	SourceID string
	// SourceOrderID is the gateway order it belongs to, if any.
	SourceOrderID string
}

// Registration tells what a notification says about the order as a whole. It
// is no fact of the timeline: Decide compares it with what is known.
type Registration struct {
	Source            string
	SourceAccount     string
	Kind              Kind
	IsTest            bool
	SourceOrderID     string
	MerchantReference string
	Currency          money.Currency // zero when the body does not say
	AmountDue         *money.Money   // nil when the body does not say
	// DueFromPayments: the source has no orders, see OrderRegistered.
	DueFromPayments bool
	// Version orders this registration among others of the same order.
	Version            Version
	DueAt              *time.Time
	AllowOverdue       *bool
	MaxAttempts        int
	TwoStep            bool
	RefundLimitPercent string
	// OccurredAt and Basis say when the order came to be.
	OccurredAt time.Time
	Basis      Basis
}

// Facts about the order.
type (
	// Issued: the gateway issued the order.
	Issued struct {
		At
		SourceOrderID string
	}
	// Viewed: the customer looked at it (at one payment of it, if named).
	Viewed struct {
		At
		Payment *PaymentRef
	}
	// Overdue: due date passed, payment still accepted.
	Overdue struct {
		At
		DueAt *time.Time
	}
	// Expired: due date passed, payment declined.
	Expired struct {
		At
		DueAt *time.Time
	}
	// Cancelled: closed for good. Ends the hold of that gateway order.
	Cancelled struct {
		At
		SourceOrderID string
		// MaxAttempts is the limit that the order had, 0 for none.
		MaxAttempts int
	}
	// Rejected: the customer declined.
	Rejected struct{ At }
	// PaidOutside: the merchant was paid outside the gateway. A nil amount
	// means the whole open balance.
	PaidOutside struct {
		At
		Amount *money.Money
	}
	// Fee was charged by the gateway.
	Fee struct {
		At
		Kind    string
		Payment *PaymentRef
		Amount  money.Money
	}
	// StatusObserved: a status that moves nothing. Recognised is false for
	// one that the documents do not know (flag status_unrecognised).
	StatusObserved struct {
		At
		Payment    *PaymentRef
		Recognised bool
	}
	// OrderStatusObserved: the gateway's own status of the order.
	OrderStatusObserved struct {
		At
		SourceOrderID string
	}
	// Anomaly: something about the notification itself is to be flagged.
	Anomaly struct {
		At
		Code   Flag
		Detail string
	}
)

// Facts about one payment. Each introduces the payment when it is new.
type (
	// PaymentSeen: the payment exists; Amount is what is asked for, if told.
	PaymentSeen struct {
		At
		Payment PaymentRef
		Amount  *money.Money
		Method  string
		// Version orders amounts of the same payment; the newest counts.
		Version Version
	}
	// Processing: an attempt is running. Attempt counts from 1 where the
	// source tells attempts apart, else 0.
	Processing struct {
		At
		Payment PaymentRef
		Attempt int
	}
	// PendingAtProvider: the provider has not decided.
	PendingAtProvider struct {
		At
		Payment PaymentRef
	}
	// Failed: the payment, or one attempt at it, failed.
	Failed struct {
		At
		Payment                        PaymentRef
		Attempt                        int
		ReasonCode, ReasonGroup, Phase string
		// Final is false where the source allows further attempts at the
		// same payment.
		Final bool
	}
	// Abandoned: the customer gave up.
	Abandoned struct {
		At
		Payment    PaymentRef
		ReasonCode string
	}
	// PaymentLapsed: the customer never started in time.
	PaymentLapsed struct {
		At
		Payment    PaymentRef
		ReasonCode string
	}
	// Withdrawn: the merchant took the payment back.
	Withdrawn struct {
		At
		Payment    PaymentRef
		ReasonCode string
	}
	// OutcomeUnknown: the gateway lost sight of the payment.
	OutcomeUnknown struct {
		At
		Payment PaymentRef
	}
	// Confirmed: the payer authorised it in the bank; expected, not paid. A
	// nil amount is the payment's own, now or when it becomes known.
	Confirmed struct {
		At
		Payment PaymentRef
		Amount  *money.Money
	}
	// Captured: the payment's whole capture. Each payment is captured once;
	// a nil amount is the payment's own, now or when it becomes known.
	Captured struct {
		At
		Payment             PaymentRef
		Amount              *money.Money
		Method, Scheme, ARN string
		// Implied: a later fact cannot be without the capture.
		Implied bool
	}
	// Settled: the money of the payment arrived; it implies Captured. A nil
	// amount is what was captured.
	Settled struct {
		At
		Payment       PaymentRef
		Amount        *money.Money
		SettlementRef string
		Net, Fee      *money.Money
	}
	// Totals reports a payment of which the source tells cumulative totals:
	// what was asked for, whether it was held, captured, and how much of it
	// was released or taken back so far (one counter for both).
	Totals struct {
		At
		Payment PaymentRef
		// Total is the zero Money, without currency, when the body does not
		// tell it: the payment's own then, now or when it becomes known.
		Total money.Money
		// Held: the snapshot shows that the payment was a hold first.
		Held     bool
		HeldAt   time.Time
		HoldEnds *time.Time
		// Captured: the snapshot shows a capture.
		Captured            bool
		CapturedAt          time.Time
		CaptureImplied      bool
		Method, Scheme, ARN string
		// TakenBack is the cumulative counter of released and reversed
		// money; nil when the body does not carry it.
		TakenBack *money.Money
		// ReversalReported: the snapshot shows a completed reversal, so that
		// TakenBack may contain reversed money.
		ReversalReported bool
		ReversedAt       time.Time
		ReversedStatus   string // verbatim
	}
	// ReversalStarted: a reversal was asked for.
	ReversalStarted struct {
		At
		Payment PaymentRef
		Amount  *money.Money
	}
	// ReversalRefused: a reversal did not happen.
	ReversalRefused struct {
		At
		Payment       PaymentRef
		Reason, Phase string
	}
)

// RefundStep is a step in the life of a refund.
type RefundStep string

// Steps of refunds.
const (
	RefundStepInitiated RefundStep = "initiated"
	RefundStepCompleted RefundStep = "completed"
	RefundStepFailed    RefundStep = "failed"
	RefundStepReversed  RefundStep = "reversed"
	RefundStepUnknown   RefundStep = "outcome_unknown"
)

// Facts about refunds, in the three ways in which sources tell of them.
type (
	// RefundReported: the source identifies the refund. A nil amount is the
	// refund's own, now or when it becomes known.
	RefundReported struct {
		At
		SourceRefundID string
		Payment        *PaymentRef
		Step           RefundStep
		Amount         *money.Money
		ReasonCode     string
	}
	// RefundTotals: the source tells cumulative counters and statuses without
	// ids. Steps are the refund statuses of the body, oldest first, each with
	// its own key and time.
	RefundTotals struct {
		At
		Payment PaymentRef
		// Refunded and RefundReversed are cumulative; nil when not told.
		Refunded, RefundReversed *money.Money
		// Pending is the amount under way; it counts only while the newest
		// step known is an initiation.
		Pending *money.Money
		Steps   []RefundStepAt
		// ModifiedAt orders snapshots, to tell an old one from a counter that
		// went down.
		ModifiedAt time.Time
	}
	// RefundStepAt is one step of RefundTotals.
	RefundStepAt struct {
		At
		Step  RefundStep
		Phase string
	}
	// RefundWord: the source says only a word about the refunds of a payment:
	// initiated, completed (of everything), partly completed, or failed, in
	// most cases without an amount.
	RefundWord struct {
		At
		Payment PaymentRef
		Step    RefundStep
		// Partial: Step is RefundStepCompleted, but not of everything.
		Partial bool
		Amount  *money.Money
	}
)

// Facts about disputes.
type (
	// DisputeStage: a dispute reached a stage. It moves no money.
	DisputeStage struct {
		At
		Payment         PaymentRef
		SourceDisputeID string
		Stage           Stage
		Amount          *money.Money
		ReasonCode      string
		ARN, CaseNo     string
		RespondBy       *time.Time
		InitiatedBy     string
	}
	// DisputeTotals: cumulative counters of money taken and given back by
	// disputes; nil when not told. Chargebacks are the chargeback stages of
	// the body: one that is new and without a usable counter is assumed to
	// take all that is left (domain rule A30).
	DisputeTotals struct {
		At
		Payment             PaymentRef
		Withdrawn, Returned *money.Money
		Chargebacks         []At
		ModifiedAt          time.Time
		// PaidAgain: the body's status went back to paid after a dispute.
		PaidAgain bool
	}
)

// PayoutReported is a fact about an order that sends money out. A nil amount
// is the order's own.
type PayoutReported struct {
	At
	Status     PayoutStatus
	Amount     *money.Money
	ReasonCode string
}
