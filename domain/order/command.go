package order

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Command is what Decide takes.
//
//sumtype:decl
type Command interface{ isCommand() }

// Observe records one notification about an order: the evidence and what it
// means. Reported facts are never refused: Decide answers with events, which
// may say that the fact contradicts what is known.
type Observe struct {
	OrderID string
	// Evidence is the notification itself. Its event id is
	// NotificationEventID(gateway, account, body digest): a body that the
	// order has seen already yields no events at all.
	Evidence     NotificationRecorded
	ReceivedAt   time.Time
	Registration Registration
	Facts        []Fact
	// Uncountable, when set, says that the notification carries money that
	// cannot be counted (wrong digits, negative, malformed). The notification
	// is recorded with that flag and moves nothing; Facts are not applied.
	Uncountable *Anomaly
}

func (Observe) isCommand() {}

// ResolveDispute is an operator's or a gateway's word that a dispute ended.
type ResolveDispute struct {
	// Key identifies the command; the same key resolves once.
	Key       string
	DisputeID string
	Outcome   Outcome
	// Lost is the amount finally lost; nil takes what the outcome implies:
	// everything disputed for lost, accepted and expired, nothing for won and
	// withdrawn. A split needs an amount.
	Lost       *money.Money
	OccurredAt time.Time
}

func (ResolveDispute) isCommand() {}

// RaiseAlarm marks an order for attention because time has passed. It states
// no fact of a gateway's.
type RaiseAlarm struct {
	// Key identifies the alarm within the order; it is raised once.
	Key    string
	Code   Flag
	Detail string
	At     time.Time // UTC
}

func (RaiseAlarm) isCommand() {}

func decideRaiseAlarm(state State, c RaiseAlarm) ([]Decided, error) {
	if !state.Exists {
		return nil, &Rejection{Code: "order_unknown", Reason: "there is no such order"}
	}
	d := &decider{s: state.scratch(), orderID: state.ID, receivedAt: c.At}
	d.emit(At{Key: "alarm:" + c.Key, OccurredAt: c.At, Basis: BasisOperator}, AnomalyFlagged{Code: c.Code, Detail: c.Detail})
	return d.done()
}

// RecordGatewayAnswer records what became of a call to the gateway, once. A refund or reversal that the
// gateway refused has failed, unless the gateway has told of it since; an order that it closed is closed.
type RecordGatewayAnswer struct {
	Answer GatewayActionAnswered
	At     time.Time // UTC
}

func (RecordGatewayAnswer) isCommand() {}

func decideRecordGatewayAnswer(state State, c RecordGatewayAnswer) ([]Decided, error) {
	d := &decider{s: state.scratch(), orderID: state.ID, receivedAt: c.At}
	at := At{Key: "answered:" + c.Answer.CommandID, OccurredAt: c.At, Basis: BasisOperator}
	i := slices.IndexFunc(d.s.GatewayActions, func(a GatewayAction) bool { return a.CommandID == c.Answer.CommandID })
	if i < 0 {
		return nil, refuse("command_unknown", "no such command was asked of the gateway")
	}
	asked := d.s.GatewayActions[i]
	switch {
	case asked.Outcome == "":
	case asked.Outcome == GatewayUnknown && c.Answer.Outcome != GatewayUnknown:
		at = at.with(":found") // it was asked again
	default:
		return nil, nil // one answer counts
	}
	d.emit(at, c.Answer)
	if slices.Contains(d.s.flags, FlagGatewayOutcomeUnknown) && !d.s.answerOpen() {
		d.emit(at, AnomalyResolved{Code: FlagGatewayOutcomeUnknown, Detail: "the gateway was asked again"})
	}
	if c.Answer.Outcome == GatewayUnknown {
		d.emit(at, AnomalyFlagged{
			Code:   FlagGatewayOutcomeUnknown,
			Detail: "the gateway was asked to " + string(asked.Action) + ", and its answer was lost: look there before it is asked again",
		})
	}
	switch accepted := c.Answer.Outcome == GatewayAccepted; {
	case accepted && asked.Action == ActionReject && !d.s.rejected:
		d.emit(at, OrderRejectedByCustomer{ByMerchant: true})
	case accepted && asked.Action == ActionCancel && !d.s.closed(): // not every gateway has a word for it
		d.emit(at, OrderCancelled{Cause: CauseMerchantRequest, SourceOrderID: d.s.SourceOrderID})
	}
	if c.Answer.Outcome != GatewayRefused {
		return d.done()
	}
	const neverBegun = "init"
	if r := d.s.refund(asked.RefundID); asked.Action == ActionRefund && r != nil && r.Open && r.SourceID == "" {
		d.emit(at, RefundFailed{RefundID: r.ID, PaymentID: r.PaymentID, ReasonCode: c.Answer.Reason, Phase: neverBegun})
	}
	if p := d.s.payment(asked.PaymentID); asked.Action == ActionReverse && p != nil && p.reversing {
		d.emit(at, ReversalFailed{PaymentID: p.ID, Reason: c.Answer.Reason, Phase: neverBegun})
	}
	return d.done()
}

// answerOpen tells whether nobody knows what came of some call.
func (s *State) answerOpen() bool {
	return slices.ContainsFunc(s.GatewayActions, func(a GatewayAction) bool { return a.Outcome == "" || a.Outcome == GatewayUnknown })
}

// RecordErasure records that the key of an order's sealed data is destroyed.
// It is recorded once.
type RecordErasure struct {
	SubjectRef string
	Receipt    string
	Signature  []byte
	At         time.Time // UTC
}

func (RecordErasure) isCommand() {}

func decideRecordErasure(state State, c RecordErasure) ([]Decided, error) {
	if !state.Exists {
		return nil, &Rejection{Code: "order_unknown", Reason: "there is no such order"}
	}
	d := &decider{s: state.scratch(), orderID: state.ID, receivedAt: c.At}
	d.emit(At{Key: "erasure:" + c.SubjectRef, OccurredAt: c.At, Basis: BasisOperator},
		PersonalDataErased{SubjectRef: c.SubjectRef, Receipt: c.Receipt, Signature: c.Signature})
	return d.done()
}

// Decided is an event that Decide wants to be appended, with the part of its
// envelope that belongs to the fact.
type Decided struct {
	ID           uuid.UUID
	Event        Event
	OccurredAt   time.Time
	Basis        Basis
	ToldAt       time.Time // see Metadata
	SourceStatus string
	Flags        []Flag
	Actor        string // empty is whoever gave the command
}
