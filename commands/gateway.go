package commands

import (
	"context"
	"errors"
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// Gateway is the client of one account of a payment gateway: what the ledger can ask of it. All methods
// are safe for use by many goroutines, bounded in time, and paced.
//
// What a gateway answers is no fact for the ledger until it was taken in: callers hand the bodies of
// Fetch to the Intake, after every action and whenever they want to know. An action whose answer was
// lost ends with an error that wraps httpcall.ErrOutcomeUnknown; Fetch tells what became of it.
//
// Callers MUST append what they are about to ask (GatewayActionInitiated) before they ask it. A crash in
// between, or an answer that was lost, is seen: the reconciler asks again where the gateway Repeats the
// action, and raises an alarm elsewhere, where asking again might pay twice.
type Gateway interface {
	// Gateway and Account name the account.
	Gateway() string
	Account() string
	// Offers tells whether the gateway's API can do what an action asks of it, to a payment made by a
	// method (the gateway's word, empty when it does not matter or is not known); the methods of what it
	// cannot answer ErrGatewayCannot.
	Offers(a order.ActionName, method string) bool
	// Repeats tells whether an action that may have been executed can be asked for again without being
	// executed twice.
	Repeats(a order.ActionName) bool
	// Fetch returns the bodies of the GETs that tell all about an order, each fit for Intake.Accept
	// with ViaReconciliation.
	Fetch(ctx context.Context, refs GatewayRefs) ([][]byte, error)

	// Create issues an order at the gateway.
	Create(ctx context.Context, o GatewayOrder) (GatewayAnswer, error)
	// ChangeAmount changes what an order asks for.
	ChangeAmount(ctx context.Context, refs GatewayRefs, change GatewayChange) (GatewayAnswer, error)
	// Capture takes held money; nil takes all of it. It can be done once, and releases the rest.
	Capture(ctx context.Context, refs GatewayRefs, amount *money.Money) (GatewayAnswer, error)
	// Refund gives captured money back.
	Refund(ctx context.Context, refs GatewayRefs, r GatewayRefund) (GatewayAnswer, error)
	// Reverse undoes a payment before it is cleared.
	Reverse(ctx context.Context, refs GatewayRefs) (GatewayAnswer, error)
	// Cancel closes an unpaid order, or releases a hold.
	Cancel(ctx context.Context, refs GatewayRefs) (GatewayAnswer, error)
	// Withdraw takes a payment back that the customer has not begun.
	Withdraw(ctx context.Context, refs GatewayRefs) (GatewayAnswer, error)
	// MarkReceived says that the merchant was paid outside the gateway.
	MarkReceived(ctx context.Context, refs GatewayRefs) (GatewayAnswer, error)
}

// Sealer keeps personal data out of the log in clear: the token may stand in an event, and can be read
// until the order's personal data is erased. The package privacy has one.
type Sealer interface {
	Seal(ctx context.Context, orderID string, plaintext []byte) (token string, err error)
}

// ErrGatewayCannot says that a gateway's API does not offer an action.
var ErrGatewayCannot = errors.New("the gateway does not offer this action")

// GatewayRefs are a gateway's names for an order and its payments.
type GatewayRefs struct {
	OrderID    string
	PaymentIDs []string
}

// GatewayOrder is what an order at a gateway is made from. Personal data in it goes to the gateway and
// nowhere else.
type GatewayOrder struct {
	// InstructionID is ours, unique for ever, at most 64 characters. Where the gateway recognises it,
	// the call may be repeated.
	InstructionID string
	// Reference is the merchant's name for the order; gateways send it back in every notification.
	Reference string
	Amount    money.Money
	// RefundLimitPercent is a decimal, empty for none besides what was captured.
	RefundLimitPercent string
	Description        string
	Products           []GatewayProduct // come to Amount; may be empty
	Client             GatewayClient
	DueAt              *time.Time // UTC
	DenyOverdue        bool
	SkipCapture        bool
	MaxAttempts        int
	IsTest             bool
	// Redirect is where the customer goes after paying; FailureRedirect after not paying, Redirect when
	// empty; InProgressRedirect while that is open, CancelRedirect after giving up.
	Redirect, FailureRedirect, InProgressRedirect, CancelRedirect string
	Method                                                        string // gateway's word, empty for its default
}

// GatewayProduct is one line of an order: price x quantity - discount + tax on that.
type GatewayProduct struct {
	Title      string
	Price      money.Money
	Quantity   int64
	Discount   money.Money // off the whole line
	TaxPercent string      // a decimal, empty for none
}

// GatewayClient is who pays: personal data. Gateways are told what they take of it.
type GatewayClient struct {
	Email, Phone, FirstName, LastName  string
	Address, City, PostalCode, Country string
	BirthDate, PersonalCode            string
}

// GatewayChange is what changes of an order.
type GatewayChange struct {
	Amount             money.Money
	RefundLimitPercent string // as the order has it
}

// Creditor is the merchant's bank account, to which payments from account to account go.
type Creditor struct{ IBAN, Name string }

// GatewayRefund asks for a refund.
type GatewayRefund struct {
	// InstructionID is ours, unique for ever.
	InstructionID string
	PaymentID     string
	Amount        money.Money
	Reason        string
}

// GatewayAnswer is what an action told at once.
type GatewayAnswer struct {
	OrderID, PaymentID, RefundID string
	// Checkout is where the customer pays, or where the merchant authorises a refund.
	Checkout string
	// Links are what else an order can be paid with; nil for nothing.
	Links  *order.CheckoutLinks
	Status string // verbatim
	// Body is the raw answer.
	Body []byte
}
