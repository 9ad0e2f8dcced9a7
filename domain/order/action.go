package order

import (
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Instruct is a command of ours about an order. Unlike what gateways report it is checked strictly
// (invariant I4): an action that the order's state does not allow is refused with a *Rejection, and
// nothing is recorded. A command whose key is in the stream yields no events.
type Instruct struct {
	OrderID  string
	Evidence CommandRecorded
	At       time.Time // UTC
	// Actor names the credential that is used, Person who uses it; an empty Person is the Actor.
	Actor, Person string
	Action        Action
}

func (Instruct) isCommand() {}

// Action is what an Instruct asks for.
type Action interface{ ActionName() ActionName }

// Register brings an order into being. AtGateway: it is to be created at the gateway too.
type Register struct {
	Order     OrderRegistered
	AtGateway bool
}

// ChangeAmount replaces what an order asks for. AtGateway: the gateway is asked to, and tells it then. Kept: the
// gateway has the order and keeps its total, which every notification tells again, so that nobody can change it.
type ChangeAmount struct {
	Amount    money.Money
	AtGateway bool
	Kept      bool
}

// CapturePayment takes held money, once; what is left of the hold is released. A nil Amount is all of it;
// PaymentID may be empty when only one payment is held. The gateway does it.
type CapturePayment struct {
	PaymentID string
	Amount    *money.Money
}

// VoidPayment releases a hold as a whole. The gateway does it.
type VoidPayment struct{ PaymentID string }

// WithdrawPayment takes a payment back that the customer has not begun. The gateway does it.
type WithdrawPayment struct{}

// RefundPayment gives captured money of a payment back. A nil Amount is all of it that is refundable;
// PaymentID may be empty when only one payment has captured money, and ExternalPayment for what was
// received outside the gateway.
type RefundPayment struct {
	PaymentID string
	Amount    *money.Money
	AtGateway bool // it can be asked to
	ByHand    bool // somebody gives the money back, and the gateway is not asked
}

// CompleteRefund says that a refund by hand has reached the customer. A zero OccurredAt is now; Reference
// names the transfer.
type CompleteRefund struct {
	RefundID   string
	OccurredAt time.Time
	Reference  string
}

// FailRefund says that a refund is not made: one by hand, or one whose answer from the gateway was lost.
type FailRefund struct {
	RefundID   string
	OccurredAt time.Time
	ReasonCode string
}

// ReversePayment undoes a captured payment as a whole, before it is settled.
type ReversePayment struct {
	PaymentID string
	AtGateway bool // it can be asked to
}

// MarkReceived says that the merchant was paid outside the gateway; nil is all that is still due.
// AtGateway: the gateway is told, and tells it then; it takes the whole amount only.
type MarkReceived struct {
	Amount    *money.Money
	AtGateway bool
}

// CancelOrder closes an order that nobody has paid or begun to pay. AtGateway: the gateway does it.
type CancelOrder struct{ AtGateway bool }

// RejectOrder closes an order that the customer told the merchant not to want.
type RejectOrder struct{ AtGateway bool }

// RecordDispute records a stage of a dispute that the gateway does not tell of. It opens a dispute, or leads
// the open one of its track on. A nil Amount is all that is left of the payment; PaymentID may be empty
// when only one payment has captured money. Withdrawn says whether the money was taken; nil is yes for a
// chargeback and no for every other stage.
type RecordDispute struct {
	Stage                   Stage
	PaymentID               string
	Amount                  *money.Money
	Withdrawn               *bool
	ReasonCode, ARN, CaseNo string
	RespondBy               *time.Time
	OccurredAt              time.Time // zero is now
}

// AcceptDispute gives a dispute up: all that is disputed is lost.
type AcceptDispute struct{ DisputeID string }

// RepresentDispute records that the merchant contests a chargeback.
type RepresentDispute struct{ DisputeID string }

// SettleDispute records how a dispute ended. Lost is needed for a split outcome.
type SettleDispute struct {
	DisputeID string
	Outcome   Outcome
	Lost      *money.Money
}

// ProvisionDispute says how much of an open dispute is expected to be lost; zero takes that back.
type ProvisionDispute struct {
	DisputeID string
	Amount    money.Money
}

// ProposeCorrection asks for balances to be put right, which another person is to approve. Approver names
// that person; empty is anybody else.
type ProposeCorrection struct {
	Reason, Approver string
	CorrectsEventID  string
	Adjustments      []Adjustment
}

// ApproveCorrection makes a correction that another person proposed.
type ApproveCorrection struct{ CorrectionID string }

// DeclineCorrection says that a proposed correction is not made.
type DeclineCorrection struct{ CorrectionID, Reason string }

// ResolveAnomaly takes a flag off an order that somebody has looked into.
type ResolveAnomaly struct {
	Code   Flag
	Detail string // what was found
}

// ActionName implements Action.
func (ResolveAnomaly) ActionName() ActionName { return ActionResolveAnomaly }

// ActionName implements Action.
func (Register) ActionName() ActionName { return ActionRegister }

// ActionName implements Action.
func (ChangeAmount) ActionName() ActionName { return ActionChangeAmount }

// ActionName implements Action.
func (RefundPayment) ActionName() ActionName { return ActionRefund }

// ActionName implements Action.
func (CompleteRefund) ActionName() ActionName { return ActionCompleteRefund }

// ActionName implements Action.
func (FailRefund) ActionName() ActionName { return ActionFailRefund }

// ActionName implements Action.
func (CapturePayment) ActionName() ActionName { return ActionCapture }

// ActionName implements Action.
func (VoidPayment) ActionName() ActionName { return ActionVoid }

// ActionName implements Action.
func (WithdrawPayment) ActionName() ActionName { return ActionWithdraw }

// ActionName implements Action.
func (RejectOrder) ActionName() ActionName { return ActionReject }

// ActionName implements Action.
func (ReversePayment) ActionName() ActionName { return ActionReverse }

// ActionName implements Action.
func (MarkReceived) ActionName() ActionName { return ActionReceived }

// ActionName implements Action.
func (CancelOrder) ActionName() ActionName { return ActionCancel }

// ActionName implements Action.
func (RecordDispute) ActionName() ActionName { return ActionRecordDispute }

// ActionName implements Action.
func (AcceptDispute) ActionName() ActionName { return ActionAcceptDispute }

// ActionName implements Action.
func (RepresentDispute) ActionName() ActionName { return ActionRepresent }

// ActionName implements Action.
func (SettleDispute) ActionName() ActionName { return ActionResolveDispute }

// ActionName implements Action.
func (ProvisionDispute) ActionName() ActionName { return ActionProvisionDispute }

// ActionName implements Action.
func (ProposeCorrection) ActionName() ActionName { return ActionProposeCorrection }

// ActionName implements Action.
func (ApproveCorrection) ActionName() ActionName { return ActionApproveCorrection }

// ActionName implements Action.
func (DeclineCorrection) ActionName() ActionName { return ActionDeclineCorrection }

// CommandEventID is the id of the evidence of the command with this key.
func CommandEventID(orderID, keySHA256 string) uuid.UUID {
	return EventID(orderID, "cmd:"+keySHA256, CommandRecorded{}.EventType())
}
