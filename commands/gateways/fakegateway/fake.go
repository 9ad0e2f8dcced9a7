package fakegateway

import (
	"context"
	"crypto/rsa"
	"net/http"
	"sync"
	"time"
)

// Credentials that the fake accepts; they protect nothing.
const (
	DectaKey     = "fake-decta-key"
	ClientID     = "fake-client"
	ClientSecret = "fake-client-secret" //nolint:gosec // G101: of a stand-in, protects nothing
	User         = "fake-user"
	Password     = "fake-password"

	bodyBytesMax  = 1 << 20
	tokenLifetime = 5 * time.Minute
	// redeliveriesMax is how often a webhook is sent again before the gateway gives up (ConnectPay, Everifin).
	redeliveriesMax = 5
)

// Gateways of the fake.
const (
	Decta      = "decta"
	Everifin   = "everifin"
	ConnectPay = "connectpay"
)

// Hook is a webhook that the fake sends.
type Hook struct {
	Gateway string
	Header  http.Header
	Body    []byte
}

// Options configure a Fake.
type Options struct {
	// Clock is the gateways' time; nil is time.Now.
	Clock func() time.Time
	// Deliver gets every webhook that is not lost, in order; nil sends none. It is called without any
	// lock held, before the call that caused the webhook is answered.
	Deliver func(context.Context, Hook) error
	// HookSecret signs Everifin's webhooks, HookKey DECTA's; HookToken is ConnectPay's.
	HookSecret []byte
	HookKey    *rsa.PrivateKey
	HookToken  string
	// ClientKey verifies the signature of requests to ConnectPay; nil verifies none.
	ClientKey *rsa.PublicKey
	// Site is the address that the fake is served at, for customers who pay with a click: checkout links then
	// lead to its page /pay/ID. Empty: they lead nowhere.
	Site string
	// TokenLifetime is how long Everifin's access tokens are good; 0 is five minutes.
	TokenLifetime time.Duration
	// Redelivers keeps a webhook that was not taken for Redeliver, as the gateways do. Otherwise the call
	// that caused it fails.
	Redelivers bool
}

// Fault is a failure on request.
type Fault struct {
	// Status answers with this HTTP status; 0 gives no answer at all until the caller hangs up.
	Status int
	// RetryAfter is sent as seconds when it is not empty.
	RetryAfter string
	// Executed: the call does its work, and only its answer is lost.
	Executed bool
	// Write: only calls other than GET fail.
	Write bool
}

// Fake is the three gateways. It is safe for use by many goroutines.
type Fake struct {
	o     Options
	mux   *http.ServeMux
	mu    sync.Mutex
	order []*gatewayOrder          // in order of creation
	byID  map[string]*gatewayOrder // by order, payment and refund id
	token string
	ends  time.Time

	faults map[string][]Fault       // by gateway
	sent   map[string][]byte        // newest body by the same names as calls
	calls  map[string]int           // by gateway and "METHOD action"
	lose   int                      // webhooks to lose
	ages   map[string]time.Duration // of orders to come, by merchant reference
	queue  []delivery               // webhooks that were not taken
}

// delivery is a webhook that is sent again.
type delivery struct {
	hook  Hook
	tries int // so far, again
}

// New makes a fake.
func New(o Options) *Fake {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.TokenLifetime == 0 {
		o.TokenLifetime = tokenLifetime
	}
	f := &Fake{
		o: o, mux: http.NewServeMux(), byID: map[string]*gatewayOrder{},
		faults: map[string][]Fault{}, calls: map[string]int{}, sent: map[string][]byte{}, ages: map[string]time.Duration{},
	}
	f.decta()
	f.everifin()
	f.connectpay()
	if o.Site != "" {
		f.pay()
	}
	return f
}

// ServeHTTP serves the three APIs.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.mux.ServeHTTP(w, r) }

// FailNext makes the next calls of a gateway fail, one for each fault.
func (f *Fake) FailNext(gateway string, faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[gateway] = append(f.faults[gateway], faults...)
}

// LoseHooks loses the next n webhooks.
func (f *Fake) LoseHooks(n int) { f.mu.Lock(); f.lose = n; f.mu.Unlock() }

// Calls counts the calls of a gateway that arrived, by action: "GET order", "POST refund".
func (f *Fake) Calls(gateway, action string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[gateway+" "+action]
}

// Sent is the newest body that a call brought, by its action as in Calls.
func (f *Fake) Sent(gateway, action string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return string(f.sent[gateway+" "+action])
}

// EndTokens makes Everifin take the present access token no more, before its time.
func (f *Fake) EndTokens() { f.mu.Lock(); f.token = ""; f.mu.Unlock() }

// Backdate lets the order that will be issued under a merchant reference be so old already. Time then
// passes for it by Pass.
func (f *Fake) Backdate(reference string, age time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ages[reference] = age
}
