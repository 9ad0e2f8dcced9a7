package connectpay

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/httpcall"
	"github.com/order-ledger/order-ledger/commands/gateways/signature"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// ClientConfig configures a Client. All but HTTP and Account are required.
type ClientConfig struct {
	Account        string
	BaseURL        string // without /merchant
	User, Password string
	BrandID        string
	// NotifyURL is where webhooks go; empty when that is configured at the gateway.
	NotifyURL string
	Creditor  commands.Creditor
	// Key signs requests.
	Key  *rsa.PrivateKey
	HTTP httpcall.Options
}

// Client is a commands.Gateway. The gateway documents no id by which it would recognise a repeated
// request, so no action is repeated after its answer was lost.
type Client struct {
	api            httpcall.API
	account, brand string
	notify         string
	creditor       commands.Creditor
}

// NewClient makes a client.
func NewClient(c ClientConfig) (*Client, error) {
	base, err := httpcall.CheckBase(c.BaseURL)
	if err != nil {
		return nil, err
	}
	if c.User == "" || c.Password == "" || c.Key == nil {
		return nil, errors.New("a connectpay account needs user, password and signing key")
	}
	c.HTTP.Name = gateway + "/" + c.Account
	return &Client{account: c.Account, brand: c.BrandID, creditor: c.Creditor, notify: c.NotifyURL, api: httpcall.API{
		Caller: httpcall.New(c.HTTP), Base: base,
		Authorise: func(_ context.Context, r *http.Request, body []byte) error {
			id := uuid.NewString()
			signed, err := signature.SignRSA(c.Key, SignedText(id, body))
			if err != nil {
				return fmt.Errorf("sign the request: %w", err)
			}
			r.SetBasicAuth(c.User, c.Password)
			r.Header.Set("X-Request-ID", id)
			r.Header.Set("X-Signature", signed)
			r.Header.Set("Accept", "application/json;version=2")
			return nil
		},
	}}, nil
}

// SignedText is what a request's signature covers. The gateway's public documents show the headers
// and not this text; a wrong guess changes this function alone.
func SignedText(requestID string, body []byte) []byte {
	return append([]byte(requestID+"."), body...)
}

// ParseKey reads an RSA private key from PEM, PKCS #8 or PKCS #1.
func ParseKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the signing key is not PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the signing key: %w", err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the signing key is not RSA")
	}
	return key, nil
}

// Gateway returns "connectpay".
func (*Client) Gateway() string { return gateway }

// Account is the configured account.
func (c *Client) Account() string { return c.account }

// Offers tells what the gateway's API can do: payments from bank accounts (PIS) are refunded by hand.
func (*Client) Offers(a order.ActionName, method string) bool {
	switch a {
	case order.ActionRegister:
		return true
	case order.ActionRefund:
		return !strings.EqualFold(method, "PIS")
	default:
		return false
	}
}

// Repeats: no action; the gateway would carry it out again.
func (*Client) Repeats(order.ActionName) bool { return false }

// Fetch reads the details of each payment.
func (c *Client) Fetch(ctx context.Context, refs commands.GatewayRefs) ([][]byte, error) {
	var bodies [][]byte
	for _, id := range refs.PaymentIDs {
		body, err := c.api.Get(ctx, "payment details", httpcall.Path("merchant", "payments", id))
		if err != nil {
			return bodies, err
		}
		bodies = append(bodies, body)
	}
	return bodies, nil
}

type instructed struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

func instruct(m money.Money) instructed {
	return instructed{Amount: m.String(), Currency: m.Currency().Code()}
}

// Create initiates a payment. Our reference goes into both members that the gateway sends back.
func (c *Client) Create(ctx context.Context, o commands.GatewayOrder) (commands.GatewayAnswer, error) {
	type object = map[string]any
	payment := object{
		"instructedAmount": instruct(o.Amount), "creditorName": c.creditor.Name,
		"creditorAccount": object{"iban": c.creditor.IBAN}, "remittanceInformationUnstructured": o.Description,
	}
	if o.Method != "" {
		payment["paymentMethod"] = []string{o.Method}
	}
	return read(c.api.Send(ctx, http.MethodPost, "payment", "/merchant/payments", object{
		"merchant": object{
			"brandId": c.brand, "generic1": o.Reference, "redirectUrl": o.Redirect, "notificationUrl": c.notify,
		},
		"payment":     payment,
		"identifiers": object{"merchantReference": o.Reference},
	}, false))
}

// Refund gives money of a card payment back; payments from bank accounts are refunded by hand.
func (c *Client) Refund(ctx context.Context, _ commands.GatewayRefs, r commands.GatewayRefund) (commands.GatewayAnswer, error) {
	type object = map[string]any
	return read(c.api.Send(ctx, http.MethodPost, "refund", "/merchant/refunds", object{
		"payment": object{"paymentId": r.PaymentID, "instructedAmount": instruct(r.Amount)},
	}, false))
}

// ChangeAmount is not offered.
func (*Client) ChangeAmount(context.Context, commands.GatewayRefs, commands.GatewayChange) (commands.GatewayAnswer, error) {
	return cannot("change the amount of")
}

// Capture is not offered.
func (*Client) Capture(context.Context, commands.GatewayRefs, *money.Money) (commands.GatewayAnswer, error) {
	return cannot("capture")
}

// Reverse is not offered.
func (*Client) Reverse(context.Context, commands.GatewayRefs) (commands.GatewayAnswer, error) {
	return cannot("reverse")
}

// Cancel is not offered: the session of a payment that nobody makes ends by itself.
func (*Client) Cancel(context.Context, commands.GatewayRefs) (commands.GatewayAnswer, error) {
	return cannot("cancel")
}

// Withdraw is not offered.
func (*Client) Withdraw(context.Context, commands.GatewayRefs) (commands.GatewayAnswer, error) {
	return cannot("withdraw")
}

// MarkReceived is not offered.
func (*Client) MarkReceived(context.Context, commands.GatewayRefs) (commands.GatewayAnswer, error) {
	return cannot("mark as received")
}

func cannot(action string) (commands.GatewayAnswer, error) {
	return commands.GatewayAnswer{}, fmt.Errorf("%s a connectpay payment: %w", action, commands.ErrGatewayCannot)
}

func read(body []byte, err error) (commands.GatewayAnswer, error) {
	if err != nil {
		return commands.GatewayAnswer{}, err
	}
	var told struct {
		Payment struct {
			ID       string `json:"paymentId"`
			Redirect string `json:"redirectUrl"`
		} `json:"payment"`
		Status struct {
			Code string `json:"code"`
		} `json:"status"`
	}
	if err := json.Unmarshal(body, &told); err != nil {
		return commands.GatewayAnswer{}, fmt.Errorf("read connectpay's answer: %w: %w", httpcall.ErrOutcomeUnknown, err)
	}
	return commands.GatewayAnswer{
		PaymentID: told.Payment.ID, Checkout: told.Payment.Redirect, Status: told.Status.Code, Body: body,
	}, nil
}
