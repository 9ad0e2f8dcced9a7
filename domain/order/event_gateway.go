package order

import (
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
)

// GatewayActionInitiated says that a command of ours is about to be asked of the gateway. It is recorded
// before the gateway is called, and moves nothing: what the gateway then does is told by the gateway.
type GatewayActionInitiated struct {
	CommandID string       `json:"command_id"`
	Action    ActionName   `json:"action"`
	PaymentID string       `json:"payment_id,omitempty"`
	RefundID  string       `json:"refund_id,omitempty"`
	Amount    *money.Money `json:"amount,omitempty"`
}

// GatewayActionAnswered says what became of a call that was initiated.
type GatewayActionAnswered struct {
	CommandID string         `json:"command_id"`
	Outcome   GatewayOutcome `json:"outcome"`
	// Reason is the gateway's code of a refusal, or ours.
	Reason string `json:"reason,omitempty"`
	// SourceOrderID is the gateway's name for an order that was created there.
	SourceOrderID string `json:"source_order_id,omitempty"`
	// Checkout is where the customer pays.
	Checkout string `json:"checkout,omitempty"`
	// Links are what else the gateway offers to pay the order with.
	Links *CheckoutLinks `json:"links,omitempty"`
}

// CheckoutLinks are addresses at the gateway that take a payment, besides its page.
type CheckoutLinks struct {
	// Iframe is the page, made to be shown in a frame.
	Iframe string `json:"iframe_checkout,omitempty"`
	// DirectPost takes a form with card data from the customer's browser.
	DirectPost string `json:"direct_post,omitempty"`
	// APIDo takes card data from the merchant's own server.
	APIDo string `json:"api_do_url,omitempty"`
}

// GatewayOutcome is what is known of a call to a gateway.
type GatewayOutcome string

// Outcomes. An unknown one may have happened or not: the answer was lost.
const (
	GatewayAccepted GatewayOutcome = "accepted"
	GatewayRefused  GatewayOutcome = "refused"
	GatewayUnknown  GatewayOutcome = "unknown"
)

// EventType is the stored type name.
func (GatewayActionInitiated) EventType() string { return "GatewayActionInitiated" }

// EventType is the stored type name.
func (GatewayActionAnswered) EventType() string { return "GatewayActionAnswered" }

func (GatewayActionInitiated) isEvent() {}
func (GatewayActionAnswered) isEvent()  {}

// GatewayAction is a command that was asked of the gateway; Outcome is empty while nothing came back.
type GatewayAction struct {
	CommandID               string
	Action                  ActionName
	PaymentID, RefundID     string
	Amount                  *money.Money
	InitiatedAt             time.Time // UTC
	Outcome                 GatewayOutcome
	Reason                  string
	SourceOrderID, Checkout string
	Links                   *CheckoutLinks
}
