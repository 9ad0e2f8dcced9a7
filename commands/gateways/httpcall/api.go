package httpcall

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/order-ledger/order-ledger/domain/money"
)

// API is a Caller with what all calls to one account have in common.
type API struct {
	*Caller
	// Base is the address of the API without a slash at its end.
	Base      string
	Authorise func(ctx context.Context, r *http.Request, body []byte) error
	Renew     func()
	Explain   func(body []byte) (code, message string)
}

// Get reads a resource.
func (a *API) Get(ctx context.Context, call, path string) ([]byte, error) {
	return a.Do(ctx, Request{
		Call: "GET " + call, Method: http.MethodGet, URL: a.Base + path, Repeatable: true,
		Authorise: a.Authorise, Renew: a.Renew, Explain: a.Explain,
	})
}

// Send sends a body as JSON; nil sends an empty object.
func (a *API) Send(ctx context.Context, method, call, path string, body any, repeatable bool) ([]byte, error) {
	if body == nil {
		body = struct{}{}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: write the body: %w", method, call, err)
	}
	return a.Do(ctx, Request{
		Call: method + " " + call, Method: method, URL: a.Base + path, Body: text, Repeatable: repeatable,
		Authorise: a.Authorise, Renew: a.Renew, Explain: a.Explain,
	})
}

// Path joins the segments of a path; ids in it are escaped.
func Path(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// CheckBase refuses addresses that would show secrets to the network: plain HTTP is for this machine
// only. It returns the address without a slash at its end.
func CheckBase(base string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return "", fmt.Errorf("address %q of a gateway's API is not https://HOST/PATH", base)
	}
	host := u.Hostname()
	local := host == "localhost" || host == "127.0.0.1" || host == "::1"
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return "", fmt.Errorf("address %q of a gateway's API does not begin with https://", base)
	}
	return strings.TrimRight(base, "/"), nil
}

// Number is an amount as a JSON number in major units, digit by digit: no float comes near it.
func Number(m money.Money) json.RawMessage { return json.RawMessage(m.String()) }

// Decimal is a decimal as a JSON number; nil for what is empty or none.
func Decimal(text string) json.RawMessage {
	d, err := decimal.NewFromString(text)
	if err != nil {
		return nil
	}
	return json.RawMessage(d.String())
}
