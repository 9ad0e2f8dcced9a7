package push

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
)

// message is a body of the templates standard and full: type, timestamp and data are as Standard
// Webhooks proposes.
type message struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // when it happened
	Data      data      `json:"data"`
}

type data struct {
	OrderID           string `json:"order_id"`
	MerchantReference string `json:"merchant_reference,omitempty"`
	Source            string `json:"source"`
	SourceAccount     string `json:"source_account,omitempty"`
	SourceOrderID     string `json:"source_order_id,omitempty"`
	SourceStatus      string `json:"source_status,omitempty"`
	IsTest            bool   `json:"is_test,omitempty"`
	// Revision counts the events of the order: a message with a smaller one is older.
	Revision   uint64          `json:"revision"`
	RecordedAt time.Time       `json:"recorded_at"`
	EventID    string          `json:"event_id"`
	EventType  string          `json:"event_type"`
	Event      json.RawMessage `json:"event"`
	Order      *fullOrder      `json:"order,omitempty"`
}

// fullOrder is the order as it was after the event.
type fullOrder struct {
	Kind               order.Kind         `json:"kind"`
	Lifecycle          order.Lifecycle    `json:"lifecycle"`
	PaymentState       order.PaymentState `json:"payment_state"`
	RefundState        order.RefundState  `json:"refund_state"`
	DisputeState       order.DisputeState `json:"dispute_state"`
	PayoutState        order.PayoutStatus `json:"payout_state,omitempty"`
	GatewayStatus      string             `json:"gateway_status,omitempty"`
	AmountDue          *money.Money       `json:"amount_due,omitempty"`
	Authorised         *money.Money       `json:"authorised,omitempty"`
	Captured           *money.Money       `json:"captured,omitempty"`
	Settled            *money.Money       `json:"settled,omitempty"`
	ReceivedExternally *money.Money       `json:"received_externally,omitempty"`
	Reversed           *money.Money       `json:"reversed,omitempty"`
	RefundPending      *money.Money       `json:"refund_pending,omitempty"`
	Refunded           *money.Money       `json:"refunded,omitempty"`
	DisputeHeld        *money.Money       `json:"dispute_held,omitempty"`
	DisputeLost        *money.Money       `json:"dispute_lost,omitempty"`
	PaidOut            *money.Money       `json:"paid_out,omitempty"`
	Flags              []order.Flag       `json:"flags,omitempty"`
	Payments           []fullPayment      `json:"payments,omitempty"`
	Refunds            []fullRefund       `json:"refunds,omitempty"`
	Disputes           []fullDispute      `json:"disputes,omitempty"`
}

type fullPayment struct {
	PaymentID       string              `json:"payment_id"`
	SourcePaymentID string              `json:"source_payment_id,omitempty"`
	Status          order.PaymentStatus `json:"status"`
	Method          string              `json:"method,omitempty"`
	ReasonCode      string              `json:"reason_code,omitempty"`
	Amount          *money.Money        `json:"amount,omitempty"`
	Captured        *money.Money        `json:"captured,omitempty"`
	Settled         *money.Money        `json:"settled,omitempty"`
	Reversed        *money.Money        `json:"reversed,omitempty"`
}

type fullRefund struct {
	RefundID       string             `json:"refund_id"`
	SourceRefundID string             `json:"source_refund_id,omitempty"`
	PaymentID      string             `json:"payment_id,omitempty"`
	Status         order.RefundStatus `json:"status"`
	Amount         *money.Money       `json:"amount,omitempty"`
	Completed      *money.Money       `json:"completed,omitempty"`
	ReasonCode     string             `json:"reason_code,omitempty"`
}

type fullDispute struct {
	DisputeID  string        `json:"dispute_id"`
	PaymentID  string        `json:"payment_id,omitempty"`
	Track      order.Track   `json:"track"`
	Stage      order.Stage   `json:"stage"`
	Outcome    order.Outcome `json:"outcome,omitempty"`
	ReasonCode string        `json:"reason_code,omitempty"`
	ARN        string        `json:"arn,omitempty"`
	Amount     *money.Money  `json:"amount,omitempty"`
	RespondBy  *time.Time    `json:"respond_by,omitempty"`
}

// statusMessage is a body of the template status_change.
type statusMessage struct {
	EventID        string     `json:"eventId"`
	EventType      string     `json:"eventType"` // payment.statusChange or order.statusChange
	EventTimestamp time.Time  `json:"eventTimestamp"`
	Data           statusData `json:"data"`
}

type statusData struct {
	OrderID       string `json:"orderId"`
	PaymentID     string `json:"paymentId,omitempty"`
	RefundID      string `json:"refundId,omitempty"`
	DisputeID     string `json:"disputeId,omitempty"`
	ExternalID    string `json:"externalId,omitempty"` // the merchant's reference
	SourceOrderID string `json:"sourceOrderId,omitempty"`
	Event         string `json:"event"` // the name that the other templates have as type
	Status        string `json:"status"`
	SourceStatus  string `json:"sourceStatus,omitempty"` // the gateway's word, if one said it
	Revision      uint64 `json:"revision"`
}

// render makes the body of an event for a template. state is the order right after the event.
func render(t Template, name string, e *eventstore.RecordedEvent, r *order.Recorded, state *order.State) ([]byte, error) {
	var body any
	if t == StatusChange {
		of, err := partsOf(e.Data)
		if err != nil {
			return nil, err
		}
		body = statusBody(of, name, e, r, state)
	} else {
		m := message{Type: name, Timestamp: r.Metadata.OccurredAt.UTC(), Data: data{
			OrderID: state.ID, MerchantReference: state.MerchantReference, Source: state.Source, SourceAccount: state.SourceAccount,
			SourceOrderID: state.SourceOrderID, SourceStatus: r.Metadata.SourceStatus, IsTest: state.IsTest, Revision: e.Revision,
			RecordedAt: r.Metadata.RecordedAt.UTC(), EventID: e.ID.String(), EventType: e.Type, Event: e.Data,
		}}
		if t == Full {
			m.Data.Order = fullOf(state)
		}
		body = m
	}
	out, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("render event %s: %w", e.ID, err)
	}
	return out, nil
}

func statusBody(of parts, name string, e *eventstore.RecordedEvent, r *order.Recorded, state *order.State) statusMessage {
	m := statusMessage{
		EventID: e.ID.String(), EventType: "order.statusChange", EventTimestamp: r.Metadata.OccurredAt.UTC(),
		Data: statusData{
			OrderID: state.ID, PaymentID: of.Payment, RefundID: of.Refund, DisputeID: of.Dispute, ExternalID: state.MerchantReference,
			SourceOrderID: state.SourceOrderID, Event: name, Status: statusOf(of, name, state), SourceStatus: r.Metadata.SourceStatus, Revision: e.Revision,
		},
	}
	if of.Dispute == "" && (of.Payment != "" || of.Refund != "") {
		m.EventType = "payment.statusChange"
	}
	return m
}

// statusOf is the new status of the part that an event is about, in the ledger's words; of the whole
// order, what follows the dot of the event's name.
func statusOf(of parts, name string, state *order.State) string {
	if name == refundObserved {
		return "OBSERVED" // the refund is over, and nobody knows of how much
	}
	for i := range state.Refunds {
		if of.Refund != "" && state.Refunds[i].ID == of.Refund {
			return string(state.Refunds[i].Status)
		}
	}
	for i := range state.Payments {
		if of.Refund == "" && of.Dispute == "" && of.Payment != "" && state.Payments[i].ID == of.Payment {
			return string(state.Payments[i].Status)
		}
	}
	_, word, _ := strings.Cut(name, ".")
	return strings.ToUpper(word)
}

// known leaves out an amount that nobody told.
func known(m money.Money) *money.Money {
	if m.Currency().IsZero() {
		return nil
	}
	return &m
}

func fullOf(s *order.State) *fullOrder {
	out := &fullOrder{
		Kind: s.Kind, Lifecycle: s.Lifecycle, PaymentState: s.PaymentState(), RefundState: s.RefundState(), DisputeState: s.DisputeState(),
		GatewayStatus: s.GatewayStatus, Flags: s.Flags(),
	}
	if s.DueKnown {
		out.AmountDue = known(s.AmountDue)
	}
	if s.Kind == order.KindPayout {
		out.PayoutState, out.PaidOut = s.Payout.Status, known(s.Payout.PaidOut)
	} else if b := s.Balances(); true {
		out.Authorised, out.Captured, out.Settled, out.ReceivedExternally = known(b.Authorised), known(b.Captured), known(b.Settled), known(b.External)
		out.Reversed, out.RefundPending, out.Refunded = known(b.Reversed), known(b.RefundPending), known(b.Refunded)
		out.DisputeHeld, out.DisputeLost = known(b.DisputeHeld), known(b.DisputeLost)
	}
	for i := range s.Payments {
		p := &s.Payments[i]
		full := fullPayment{PaymentID: p.ID, SourcePaymentID: p.SourceID, Status: p.Status, Method: p.Method, ReasonCode: p.ReasonCode,
			Captured: known(p.Captured), Settled: known(p.Settled), Reversed: known(p.Reversed)}
		if p.AmountKnown {
			full.Amount = known(p.Amount)
		}
		out.Payments = append(out.Payments, full)
	}
	for i := range s.Refunds {
		r := &s.Refunds[i]
		full := fullRefund{RefundID: r.ID, SourceRefundID: r.SourceID, PaymentID: r.PaymentID, Status: r.Status, Completed: known(r.Completed), ReasonCode: r.ReasonCode}
		if r.AmountKnown {
			full.Amount = known(r.Amount)
		}
		out.Refunds = append(out.Refunds, full)
	}
	for i := range s.Disputes {
		d := &s.Disputes[i]
		full := fullDispute{DisputeID: d.ID, PaymentID: d.PaymentID, Track: d.Track, Stage: d.Stage, Outcome: d.Outcome, ReasonCode: d.ReasonCode, ARN: d.ARN, RespondBy: d.RespondBy}
		if d.AmountKnown {
			full.Amount = known(d.Amount)
		}
		out.Disputes = append(out.Disputes, full)
	}
	return out
}
