package everifin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/httpcall"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// ClientConfig configures a Client. All but HTTP and Account are required.
type ClientConfig struct {
	Account string
	// BaseURL is the address of the API with its version: "https://pay.everifin.com/api/v2".
	BaseURL string
	// TokenURL gives access tokens for ClientID and ClientSecret (OAuth2 client credentials).
	TokenURL, ClientID, ClientSecret string
	Creditor                         commands.Creditor
	HTTP                             httpcall.Options
}

// Client is a commands.Gateway. Orders and refunds carry our instructionId, which the gateway takes
// once, so that making them may be repeated.
type Client struct {
	api      httpcall.API
	account  string
	creditor commands.Creditor
}

// NewClient makes a client.
func NewClient(c ClientConfig) (*Client, error) {
	base, err := httpcall.CheckBase(c.BaseURL)
	if err != nil {
		return nil, err
	}
	if _, err := httpcall.CheckBase(c.TokenURL); err != nil {
		return nil, err
	}
	if c.ClientID == "" || c.ClientSecret == "" {
		return nil, errors.New("an everifin account needs client id and client secret")
	}
	c.HTTP.Name = gateway + "/" + c.Account
	credentials := clientcredentials.Config{ClientID: c.ClientID, ClientSecret: c.ClientSecret, TokenURL: c.TokenURL}
	tokens := newTokens(&credentials, c.HTTP.Client)
	return &Client{account: c.Account, creditor: c.Creditor, api: httpcall.API{
		Caller: httpcall.New(c.HTTP), Base: base, Explain: explain, Renew: tokens.forget,
		Authorise: func(ctx context.Context, r *http.Request, _ []byte) error {
			token, err := tokens.get(ctx)
			if err != nil {
				return err
			}
			token.SetAuthHeader(r)
			return nil
		},
	}}, nil
}

// tokens keeps the access token until it ends. The lock is a channel, so that who waits for a token
// can give up.
type tokens struct {
	config *clientcredentials.Config
	client *http.Client
	held   chan *oauth2.Token
}

func newTokens(config *clientcredentials.Config, client *http.Client) *tokens {
	t := &tokens{config: config, client: client, held: make(chan *oauth2.Token, 1)}
	t.held <- nil
	return t
}

func (t *tokens) get(ctx context.Context) (*oauth2.Token, error) {
	var token *oauth2.Token
	select {
	case token = <-t.held:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { t.held <- token }()
	if token.Valid() {
		return token, nil
	}
	if t.client != nil {
		ctx = context.WithValue(ctx, oauth2.HTTPClient, t.client)
	}
	fresh, err := t.config.Token(ctx)
	if err != nil {
		return nil, fmt.Errorf("get an access token: %w", withoutBody(err))
	}
	token = fresh
	return token, nil
}

// forget drops a token that the gateway does not take any more.
func (t *tokens) forget() {
	<-t.held
	t.held <- nil
}

// withoutBody keeps what an authorisation server answers, which may hold secrets, out of messages.
func withoutBody(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response != nil {
		return fmt.Errorf("answered %s: %s", refused.Response.Status, refused.ErrorCode)
	}
	return err
}

// Gateway returns "everifin".
func (*Client) Gateway() string { return gateway }

// Account is the configured account.
func (c *Client) Account() string { return c.account }

// Offers tells what the gateway's API can do.
func (*Client) Offers(a order.ActionName, _ string) bool {
	switch a {
	case order.ActionRegister, order.ActionChangeAmount, order.ActionRefund, order.ActionWithdraw, order.ActionCancel, order.ActionReject:
		return true
	default:
		return false
	}
}

// Repeats: all actions. Orders and refunds carry our instructionId, and what the others ask for is the
// same however often it is asked.
func (c *Client) Repeats(a order.ActionName) bool { return c.Offers(a, "") }

// Fetch reads the order with all its payments and refunds, and each payment, which alone tells why it
// failed and when.
func (c *Client) Fetch(ctx context.Context, refs commands.GatewayRefs) ([][]byte, error) {
	var bodies [][]byte
	if refs.OrderID != "" {
		body, err := c.api.Get(ctx, "order", httpcall.Path("orders", refs.OrderID))
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
	}
	for _, id := range refs.PaymentIDs {
		body, err := c.api.Get(ctx, "payment", httpcall.Path("payments", id))
		if err != nil {
			return bodies, err
		}
		bodies = append(bodies, body)
	}
	return bodies, nil
}

// Create makes an order and its first payment.
func (c *Client) Create(ctx context.Context, o commands.GatewayOrder) (commands.GatewayAnswer, error) {
	return read(c.api.Send(ctx, http.MethodPost, "order", "/orders", struct {
		InstructionID string          `json:"instructionId"`
		Amount        json.RawMessage `json:"amount"`
		Currency      string          `json:"currency"`
		RecipientIBAN string          `json:"recipientIban"`
		RecipientName string          `json:"recipientName"`
		Message       string          `json:"paymentMessage,omitempty"`
		RedirectURL   string          `json:"redirectUrl,omitempty"`
		ExternalID    string          `json:"externalId"`
		SenderEmail   string          `json:"senderEmail,omitempty"`
		RefundLimit   json.RawMessage `json:"refundLimitPercentage,omitempty"`
	}{
		o.InstructionID, httpcall.Number(o.Amount), o.Amount.Currency().Code(),
		c.creditor.IBAN, c.creditor.Name,
		o.Description, o.Redirect, o.Reference, o.Client.Email, httpcall.Decimal(o.RefundLimitPercent),
	}, true))
}

// ChangeAmount changes the order, or adds a payment for the difference. Asking twice for the same
// amount changes nothing.
func (c *Client) ChangeAmount(ctx context.Context, refs commands.GatewayRefs, change commands.GatewayChange) (commands.GatewayAnswer, error) {
	return read(c.api.Send(ctx, http.MethodPatch, "order", httpcall.Path("orders", refs.OrderID), struct {
		Amount      json.RawMessage `json:"amount"`
		RefundLimit json.RawMessage `json:"refundLimitPercentage,omitempty"`
	}{httpcall.Number(change.Amount), httpcall.Decimal(change.RefundLimitPercent)}, true))
}

// Refund makes a payment in the other direction, which the merchant authorises at its bank: the
// answer's Checkout leads there.
func (c *Client) Refund(ctx context.Context, refs commands.GatewayRefs, r commands.GatewayRefund) (commands.GatewayAnswer, error) {
	answer, err := read(c.api.Send(ctx, http.MethodPost, "refund", httpcall.Path("orders", refs.OrderID, "refunds"), struct {
		InstructionID string          `json:"instructionId"`
		Amount        json.RawMessage `json:"amount"`
		Currency      string          `json:"currency"`
	}{r.InstructionID, httpcall.Number(r.Amount), r.Amount.Currency().Code()}, true))
	answer.RefundID, answer.OrderID = answer.OrderID, refs.OrderID
	return answer, err
}

// Withdraw takes back what the customer has not begun. Withdrawing twice is withdrawing once.
func (c *Client) Withdraw(ctx context.Context, refs commands.GatewayRefs) (commands.GatewayAnswer, error) {
	return read(c.api.Send(ctx, http.MethodPost, "withdraw", httpcall.Path("orders", refs.OrderID, "withdraw"), nil, true))
}

// Cancel is Withdraw: the gateway has one word for both.
func (c *Client) Cancel(ctx context.Context, refs commands.GatewayRefs) (commands.GatewayAnswer, error) {
	return c.Withdraw(ctx, refs)
}

// Capture is not offered: payments from account to account have no holds.
func (*Client) Capture(context.Context, commands.GatewayRefs, *money.Money) (commands.GatewayAnswer, error) {
	return cannot("capture")
}

// Reverse is not offered.
func (*Client) Reverse(context.Context, commands.GatewayRefs) (commands.GatewayAnswer, error) {
	return cannot("reverse")
}

// MarkReceived is not offered.
func (*Client) MarkReceived(context.Context, commands.GatewayRefs) (commands.GatewayAnswer, error) {
	return cannot("mark as received")
}

func cannot(action string) (commands.GatewayAnswer, error) {
	return commands.GatewayAnswer{}, fmt.Errorf("%s an everifin order: %w", action, commands.ErrGatewayCannot)
}

func read(body []byte, err error) (commands.GatewayAnswer, error) {
	if err != nil {
		return commands.GatewayAnswer{}, err
	}
	var told struct {
		Data struct {
			ID      string `json:"id"`
			Payment string `json:"processablePaymentId"`
			Link    string `json:"link"`
			Status  string `json:"status"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &told); err != nil {
		return commands.GatewayAnswer{}, fmt.Errorf("read everifin's answer: %w: %w", httpcall.ErrOutcomeUnknown, err)
	}
	return commands.GatewayAnswer{
		OrderID: told.Data.ID, PaymentID: told.Data.Payment, Checkout: told.Data.Link, Status: told.Data.Status, Body: body,
	}, nil
}

// explain reads the first error.
func explain(body []byte) (code, message string) {
	var told struct {
		Errors []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &told) != nil || len(told.Errors) == 0 {
		return "", ""
	}
	return told.Errors[0].Code, told.Errors[0].Message
}
