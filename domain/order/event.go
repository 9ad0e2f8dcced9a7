package order

import (
	"encoding/json"
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Event is a fact about an order. Events are a storage format: fields are
// added, never renamed or given another meaning; every version ever written
// has a golden file that must decode for ever.
//
// Amounts are positive; the direction is in the event's type. Times are UTC
// with the precision that the source gave.
//
//sumtype:decl
type Event interface {
	// EventType is the stored type name.
	EventType() string
	isEvent()
}

// Kind tells in which direction an order's money goes.
type Kind string

// Kinds of orders. A payment order collects money from a customer, a payout
// order sends money out; the two never share a balance.
const (
	KindPayment Kind = "payment"
	KindPayout  Kind = "payout"
)

// CancelCause tells why an order was cancelled (domain rule A15).
type CancelCause string

// Causes of a cancellation.
const (
	CauseMerchantRequest CancelCause = "merchant_request"
	CauseHoldVoided      CancelCause = "hold_voided"
	CauseHoldExpired     CancelCause = "hold_expired"
	CauseMaxAttempts     CancelCause = "max_attempts"
	CauseUnknown         CancelCause = "unknown"
)

// Version orders what a gateway tells about an order as a whole, so that the
// newest wins whatever order the notifications arrive in: first by when the
// gateway order was issued, then by when it was modified, then by how far its
// parts have progressed. Equal versions are decided by the order of recording.
type Version struct {
	IssuedAt   time.Time `json:"issued_at,omitzero"`
	ModifiedAt time.Time `json:"modified_at,omitzero"`
	Progress   int64     `json:"progress,omitempty"`
}

// Compare returns -1, 0 or +1 as v is older than, as old as, or newer than w.
func (v Version) Compare(w Version) int {
	if c := v.IssuedAt.Compare(w.IssuedAt); c != 0 {
		return c
	}
	if c := v.ModifiedAt.Compare(w.ModifiedAt); c != 0 {
		return c
	}
	switch {
	case v.Progress < w.Progress:
		return -1
	case v.Progress > w.Progress:
		return 1
	}
	return 0
}

// OrderRegistered brings an order into being; only evidence may stand before
// it in the stream.
type OrderRegistered struct {
	OrderID           string       `json:"order_id"`
	Kind              Kind         `json:"kind"`
	IsTest            bool         `json:"is_test,omitempty"`
	Source            string       `json:"source"`
	SourceAccount     string       `json:"source_account"`
	SourceOrderID     string       `json:"source_order_id,omitempty"`
	MerchantReference string       `json:"merchant_reference,omitempty"`
	AmountDue         *money.Money `json:"amount_due,omitempty"`
	// DueFromPayments says that the source has no orders: the amount due is
	// the sum of the instructed amounts of its payments.
	DueFromPayments    bool       `json:"due_from_payments,omitempty"`
	DueAt              *time.Time `json:"due_at,omitempty"`
	AllowOverdue       *bool      `json:"allow_overdue,omitempty"`
	MaxAttempts        int        `json:"max_attempts,omitempty"`
	TwoStep            bool       `json:"two_step,omitempty"`
	RefundLimitPercent string     `json:"refund_limit_pct,omitempty"`
}

// OrderAmountChanged replaces the amount due: the order's total was changed,
// or a newer gateway order took the place of an older one.
type OrderAmountChanged struct {
	SourceOrderID string      `json:"source_order_id,omitempty"`
	NewAmountDue  money.Money `json:"new_amount_due"`
}

// OrderDetailsLearned adds what the registration could not say yet.
type OrderDetailsLearned struct {
	SourceOrderID     string     `json:"source_order_id,omitempty"`
	MerchantReference string     `json:"merchant_reference,omitempty"`
	DueAt             *time.Time `json:"due_at,omitempty"`
	MaxAttempts       int        `json:"max_attempts,omitempty"`
}

// OrderIssued says that the gateway issued the order to the customer.
type OrderIssued struct {
	SourceOrderID string `json:"source_order_id,omitempty"`
}

// OrderViewed says that the customer opened the payment page.
type OrderViewed struct {
	PaymentID string `json:"payment_id,omitempty"`
}

// OrderOverdue says that the due date passed and payment is still accepted.
type OrderOverdue struct {
	DueAt *time.Time `json:"due_at,omitempty"`
}

// OrderExpired says that the due date passed and payment is declined.
type OrderExpired struct {
	DueAt *time.Time `json:"due_at,omitempty"`
}

// OrderCancelled closes an order for good.
type OrderCancelled struct {
	SourceOrderID string      `json:"source_order_id,omitempty"`
	Cause         CancelCause `json:"cause"`
	CauseInferred bool        `json:"cause_inferred,omitempty"`
	Attempts      int         `json:"attempts,omitempty"`
}

// OrderRejectedByCustomer says that the customer declined to pay. ByMerchant: they told the merchant, and
// not the gateway, which has the order cancelled; the order is rejected nevertheless.
type OrderRejectedByCustomer struct {
	ByMerchant bool `json:"by_merchant,omitempty"`
}

// OrderPaidExternally says that the merchant was paid outside the gateway; no
// gateway cash will ever come.
type OrderPaidExternally struct {
	Amount money.Money `json:"amount"`
}

// FeeCharged is a gateway's fee; it never changes an order's balances.
//
// FromSettlement says that the gateway kept it back from money that it paid to the bank.
type FeeCharged struct {
	PaymentID string      `json:"payment_id,omitempty"`
	FeeKind   string      `json:"fee_kind"`
	Amount    money.Money `json:"amount"`

	FromSettlement bool `json:"from_settlement,omitempty"`
}

// GatewayStatusObserved records a status that means nothing for money:
// one without an event of its own, or one that nobody knows yet.
type GatewayStatusObserved struct {
	PaymentID  string `json:"payment_id,omitempty"`
	RefundID   string `json:"refund_id,omitempty"`
	Status     string `json:"status"`
	Recognised bool   `json:"recognised"`
	// ConfirmsCapture says that the status names a capture that had only been
	// implied by later facts.
	ConfirmsCapture bool `json:"confirms_capture,omitempty"`
}

// GatewayOrderStatusObserved records the gateway's own view of the order, to
// be compared with ours, never copied into balances (domain rule A24).
type GatewayOrderStatusObserved struct {
	SourceOrderID string `json:"source_order_id,omitempty"`
	Status        string `json:"status"`
}

// AnomalyFlagged marks an order for attention.
type AnomalyFlagged struct {
	Code   Flag   `json:"code"`
	Detail string `json:"detail,omitempty"`
}

// AnomalyResolved takes a mark away.
type AnomalyResolved struct {
	Code   Flag   `json:"code"`
	Detail string `json:"detail,omitempty"`
}

// Adjustment moves one balance of a payment, refund or dispute by a positive
// amount up or down.
type Adjustment struct {
	Balance   Balance     `json:"balance"`
	Direction Direction   `json:"direction"`
	Amount    money.Money `json:"amount"`
	PaymentID string      `json:"payment_id,omitempty"`
	RefundID  string      `json:"refund_id,omitempty"`
	DisputeID string      `json:"dispute_id,omitempty"`
}

// Direction of an adjustment.
type Direction string

// Directions of adjustments.
const (
	Increase Direction = "increase"
	Decrease Direction = "decrease"
)

// LedgerCorrectionRecorded puts right what an earlier event said: an assumed
// amount once the true one is known, or a mistake that two people agreed on.
// The earlier event stays. Of a correction by people the envelope's actor proposed it, and the approver
// is the actor who approved it.
type LedgerCorrectionRecorded struct {
	CorrectionID    string       `json:"correction_id,omitempty"`
	CorrectsEventID string       `json:"corrects_event_id,omitempty"`
	Reason          string       `json:"reason"`
	Approver        string       `json:"approver,omitempty"`
	Adjustments     []Adjustment `json:"adjustments"`
	// AmountOfPayment: the captured amount became what the payment asks for, as told so far; an amount
	// that the capture itself tells, or a newer one of the payment, may still correct it.
	AmountOfPayment bool `json:"amount_of_payment,omitempty"`
	// CountedAt is up to when the counter counts that the correction follows, by the source's clock: what the source
	// told of before is in it.
	CountedAt *time.Time `json:"counted_at,omitempty"`
}

// PersonalDataErased says that the key of a subject's sealed data was
// destroyed.
type PersonalDataErased struct {
	SubjectRef string `json:"subject_ref"`
	// Receipt is the proof of the erasure, JSON; Signature is Ed25519 over its
	// bytes.
	Receipt   string `json:"receipt,omitempty"`
	Signature []byte `json:"signature,omitempty"`
}

// NotificationRecorded is the evidence of one notification: who said it, how
// it was verified, what it was (without personal data), and the digest of what
// was received byte for byte.
type NotificationRecorded struct {
	NotificationID string `json:"notification_id"`
	Gateway        string `json:"gateway"`
	Account        string `json:"account"`
	// Via is webhook, import or reconciliation.
	Via string `json:"via"`
	// Verified names the strategy that accepted the notification.
	Verified   string          `json:"verified"`
	BodySHA256 string          `json:"body_sha256"`
	Body       json.RawMessage `json:"body,omitempty"`
	// Version is the version of the order that the notification describes,
	// when the source tells.
	Version *Version `json:"version,omitempty"`
	// Repeats are the amounts of payments that the notification tells once more: they
	// are known, and as new as it is.
	Repeats []AmountRepeated `json:"repeats,omitempty"`
	// Unconfirmed says that the notification is a hint alone: what it says about
	// money counts when a GET says it too.
	Unconfirmed bool `json:"unconfirmed,omitempty"`
}

// AmountRepeated says that a payment's amount was told again, by a newer version
// of what the source knows. A report older than that tells nothing about it.
type AmountRepeated struct {
	PaymentID string `json:"payment_id"`
	// Version of the payment; nil is that of the notification.
	Version *Version `json:"version,omitempty"`
}

func (OrderRegistered) EventType() string            { return "OrderRegistered" }
func (OrderAmountChanged) EventType() string         { return "OrderAmountChanged" }
func (OrderDetailsLearned) EventType() string        { return "OrderDetailsLearned" }
func (OrderIssued) EventType() string                { return "OrderIssued" }
func (OrderViewed) EventType() string                { return "OrderViewed" }
func (OrderOverdue) EventType() string               { return "OrderOverdue" }
func (OrderExpired) EventType() string               { return "OrderExpired" }
func (OrderCancelled) EventType() string             { return "OrderCancelled" }
func (OrderRejectedByCustomer) EventType() string    { return "OrderRejectedByCustomer" }
func (OrderPaidExternally) EventType() string        { return "OrderPaidExternally" }
func (FeeCharged) EventType() string                 { return "FeeCharged" }
func (GatewayStatusObserved) EventType() string      { return "GatewayStatusObserved" }
func (GatewayOrderStatusObserved) EventType() string { return "GatewayOrderStatusObserved" }
func (AnomalyFlagged) EventType() string             { return "AnomalyFlagged" }
func (AnomalyResolved) EventType() string            { return "AnomalyResolved" }
func (LedgerCorrectionRecorded) EventType() string   { return "LedgerCorrectionRecorded" }
func (PersonalDataErased) EventType() string         { return "PersonalDataErased" }
func (NotificationRecorded) EventType() string       { return "NotificationRecorded" }

func (OrderRegistered) isEvent()            {}
func (OrderAmountChanged) isEvent()         {}
func (OrderDetailsLearned) isEvent()        {}
func (OrderIssued) isEvent()                {}
func (OrderViewed) isEvent()                {}
func (OrderOverdue) isEvent()               {}
func (OrderExpired) isEvent()               {}
func (OrderCancelled) isEvent()             {}
func (OrderRejectedByCustomer) isEvent()    {}
func (OrderPaidExternally) isEvent()        {}
func (FeeCharged) isEvent()                 {}
func (GatewayStatusObserved) isEvent()      {}
func (GatewayOrderStatusObserved) isEvent() {}
func (AnomalyFlagged) isEvent()             {}
func (AnomalyResolved) isEvent()            {}
func (LedgerCorrectionRecorded) isEvent()   {}
func (PersonalDataErased) isEvent()         {}
func (NotificationRecorded) isEvent()       {}
