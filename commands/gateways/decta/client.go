package decta

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/httpcall"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// ClientConfig configures a Client. BaseURL and Key are required.
type ClientConfig struct {
	Account string
	// BaseURL is the address of the API with its version: "https://gate.decta.com/api/v0.6".
	BaseURL string
	// Key is the secret key of the account.
	Key  string
	HTTP httpcall.Options
}

// Client is a commands.Gateway. The gateway has no ids of ours for actions, so no action is ever
// repeated after its answer was lost.
type Client struct {
	api     httpcall.API
	account string
}

// NewClient makes a client.
func NewClient(c ClientConfig) (*Client, error) {
	base, err := httpcall.CheckBase(c.BaseURL)
	if err != nil {
		return nil, err
	}
	if c.Key == "" {
		return nil, errors.New("a decta account needs its secret key")
	}
	c.HTTP.Name = gateway + "/" + c.Account
	return &Client{account: c.Account, api: httpcall.API{
		Caller: httpcall.New(c.HTTP), Base: base, Explain: explain,
		Authorise: func(_ context.Context, r *http.Request, _ []byte) error {
			r.Header.Set("Authorization", "Bearer "+c.Key)
			return nil
		},
	}}, nil
}

// Gateway returns "decta".
func (*Client) Gateway() string { return gateway }

// Account is the configured account.
func (c *Client) Account() string { return c.account }

// Offers tells what the gateway's API can do.
func (*Client) Offers(a order.ActionName, _ string) bool {
	switch a {
	case order.ActionRegister, order.ActionCapture, order.ActionVoid, order.ActionRefund, order.ActionReverse,
		order.ActionCancel, order.ActionReject, order.ActionReceived:
		return true
	default:
		return false
	}
}

// Repeats: no action; the gateway would carry it out again.
func (*Client) Repeats(order.ActionName) bool { return false }

// Fetch reads the order, whose body tells its whole history.
func (c *Client) Fetch(ctx context.Context, refs commands.GatewayRefs) ([][]byte, error) {
	if refs.OrderID == "" {
		return nil, nil
	}
	body, err := c.api.Get(ctx, "order", orderPath(refs))
	if err != nil {
		return nil, err
	}
	return [][]byte{body}, nil
}

// Paths end with a slash, as the gateway's documents write them.
func orderPath(refs commands.GatewayRefs, action ...string) string {
	return httpcall.Path(append([]string{"orders", refs.OrderID}, action...)...) + "/"
}

type newOrder struct {
	Number   string       `json:"number"`
	Currency string       `json:"currency"`
	Client   newClient    `json:"client"`
	Products []newProduct `json:"products"`
	Due      int64        `json:"due,omitempty"` // Unix seconds
	Deny     bool         `json:"deny_overdue_payment"`
	Skip     bool         `json:"skip_capture"`
	Attempts int          `json:"max_payment_attempts,omitempty"`
	IsTest   bool         `json:"is_test"`
	Success  string       `json:"success_redirect,omitempty"`
	Progress string       `json:"in_progress_redirect,omitempty"`
	Failure  string       `json:"failure_redirect,omitempty"`
	Cancel   string       `json:"cancel_redirect,omitempty"`
}

type newClient struct {
	Email        string `json:"email"`
	Phone        string `json:"phone,omitempty"`
	FirstName    string `json:"first_name,omitempty"`
	LastName     string `json:"last_name,omitempty"`
	Address      string `json:"address,omitempty"`
	City         string `json:"city,omitempty"`
	PostalCode   string `json:"zip_code,omitempty"`
	Country      string `json:"country,omitempty"`
	BirthDate    string `json:"birth_date,omitempty"`
	PersonalCode string `json:"personal_code,omitempty"`
}

type newProduct struct {
	Title      string          `json:"title"`
	Price      json.RawMessage `json:"price"`
	Quantity   int64           `json:"quantity,omitempty"`
	Discount   json.RawMessage `json:"discount_amount,omitempty"`
	TaxPercent json.RawMessage `json:"tax_percent,omitempty"`
}

// lines are the products of an order; one of its whole amount when it has none.
func lines(o *commands.GatewayOrder) []newProduct {
	if len(o.Products) == 0 {
		return []newProduct{{Title: o.Description, Price: httpcall.Number(o.Amount)}}
	}
	out := make([]newProduct, 0, len(o.Products))
	for _, p := range o.Products {
		line := newProduct{Title: p.Title, Price: httpcall.Number(p.Price), Quantity: p.Quantity, TaxPercent: httpcall.Decimal(p.TaxPercent)}
		if p.Discount.IsPositive() {
			line.Discount = httpcall.Number(p.Discount)
		}
		out = append(out, line)
	}
	return out
}

// Create issues the order. An answer that is lost leaves an order that its merchant reference finds
// once its first webhook comes.
func (c *Client) Create(ctx context.Context, o commands.GatewayOrder) (commands.GatewayAnswer, error) {
	body := newOrder{
		Number: o.Reference, Currency: o.Amount.Currency().Code(), Client: newClient(o.Client), Products: lines(&o),
		Deny: o.DenyOverdue, Skip: o.SkipCapture, Attempts: o.MaxAttempts, IsTest: o.IsTest,
		Success: o.Redirect, Failure: cmp.Or(o.FailureRedirect, o.Redirect), Progress: o.InProgressRedirect, Cancel: o.CancelRedirect,
	}
	if o.DueAt != nil {
		body.Due = o.DueAt.Unix()
	}
	return read(c.api.Send(ctx, http.MethodPost, "order", "/orders/?response_type=full", body, false))
}

// Capture takes the hold, or a part of it.
func (c *Client) Capture(ctx context.Context, refs commands.GatewayRefs, amount *money.Money) (commands.GatewayAnswer, error) {
	return c.act(ctx, refs, "capture", amount)
}

// Refund gives money back. The gateway knows no payments below its orders.
func (c *Client) Refund(ctx context.Context, refs commands.GatewayRefs, r commands.GatewayRefund) (commands.GatewayAnswer, error) {
	return c.act(ctx, refs, "refund", &r.Amount)
}

// Reverse undoes the payment of the same day.
func (c *Client) Reverse(ctx context.Context, refs commands.GatewayRefs) (commands.GatewayAnswer, error) {
	return c.act(ctx, refs, "reverse", nil)
}

// Cancel closes the order or releases its hold.
func (c *Client) Cancel(ctx context.Context, refs commands.GatewayRefs) (commands.GatewayAnswer, error) {
	return c.act(ctx, refs, "cancel", nil)
}

// MarkReceived tells the gateway that the order was paid elsewhere. This path has no slash at its end.
func (c *Client) MarkReceived(ctx context.Context, refs commands.GatewayRefs) (commands.GatewayAnswer, error) {
	return read(c.api.Send(ctx, http.MethodPost, "received", httpcall.Path("orders", refs.OrderID, "received"), nil, false))
}

// ChangeAmount is not offered.
func (*Client) ChangeAmount(context.Context, commands.GatewayRefs, commands.GatewayChange) (commands.GatewayAnswer, error) {
	return commands.GatewayAnswer{}, fmt.Errorf("change the amount of a decta order: %w", commands.ErrGatewayCannot)
}

// Withdraw is not offered; an order that nobody paid is cancelled.
func (*Client) Withdraw(context.Context, commands.GatewayRefs) (commands.GatewayAnswer, error) {
	return commands.GatewayAnswer{}, fmt.Errorf("withdraw a decta order: %w", commands.ErrGatewayCannot)
}

func (c *Client) act(ctx context.Context, refs commands.GatewayRefs, action string, amount *money.Money) (commands.GatewayAnswer, error) {
	body := map[string]json.RawMessage{}
	if amount != nil {
		body["amount"] = httpcall.Number(*amount)
	}
	return read(c.api.Send(ctx, http.MethodPost, action, orderPath(refs, action), body, false))
}

func read(body []byte, err error) (commands.GatewayAnswer, error) {
	if err != nil {
		return commands.GatewayAnswer{}, err
	}
	var told struct {
		ID       string `json:"id"`
		Status   string `json:"status"`
		Checkout string `json:"full_page_checkout"`
		order.CheckoutLinks
	}
	if err := json.Unmarshal(body, &told); err != nil {
		return commands.GatewayAnswer{}, fmt.Errorf("read decta's answer: %w: %w", httpcall.ErrOutcomeUnknown, err)
	}
	answer := commands.GatewayAnswer{OrderID: told.ID, PaymentID: told.ID, Status: told.Status, Checkout: told.Checkout, Body: body}
	if told.CheckoutLinks != (order.CheckoutLinks{}) {
		answer.Links = &told.CheckoutLinks
	}
	return answer, nil
}

// explain reads the first error about the whole request.
func explain(body []byte) (code, message string) {
	var told struct {
		All []struct {
			Message string `json:"message"`
			Code    string `json:"code"`
		} `json:"__all__"`
	}
	if json.Unmarshal(body, &told) != nil || len(told.All) == 0 {
		return "", ""
	}
	return told.All[0].Code, told.All[0].Message
}
