package fakegateway

import (
	"context"
	"crypto/rsa"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Credentials that the fake accepts; they protect nothing.
const (
	DectaKey      = "fake-decta-key"
	ClientID      = "fake-client"
	ClientSecret  = "fake-client-secret" //nolint:gosec // G101: of a stand-in, protects nothing
	User          = "fake-user"
	Password      = "fake-password"
	bodyBytesMax  = 1 << 20
	tokenLifetime = 5 * time.Minute
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

	faults map[string][]Fault // by gateway
	calls  map[string]int     // by gateway and "METHOD action"
	lose   int                // webhooks to lose
	twice  int                // webhooks to send twice
}

// New makes a fake.
func New(o Options) *Fake {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	f := &Fake{
		o: o, mux: http.NewServeMux(), byID: map[string]*gatewayOrder{},
		faults: map[string][]Fault{}, calls: map[string]int{},
	}
	f.decta()
	f.everifin()
	f.connectpay()
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

// RepeatHooks sends the next n webhooks twice.
func (f *Fake) RepeatHooks(n int) { f.mu.Lock(); f.twice = n; f.mu.Unlock() }

// Calls counts the calls of a gateway that arrived, by action: "GET order", "POST refund".
func (f *Fake) Calls(gateway, action string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[gateway+" "+action]
}

// gatewayOrder is an order, or for ConnectPay a payment.
type gatewayOrder struct {
	gateway, id, payment, reference string
	currency                        money.Currency
	total                           money.Money
	captured, released              money.Money
	refunded, pending               money.Money
	status                          string
	skipCapture, isTest             bool
	created, changed                time.Time
	history                         []change
	refunds                         []refund
	reason                          string            // Everifin: why the payment failed
	further                         *payment          // Everifin: for the difference, after the order's amount went up
	disputed, returned              money.Money       // Decta: taken and given back by disputes
	instructions                    map[string][]byte // answers by instructionId
}

type change struct {
	status string
	at     time.Time
}

// payment is a further one of an order.
type payment struct {
	id, status string
	amount     money.Money
}

type refund struct {
	id, status string
	amount     money.Money
}

func (f *Fake) add(o *gatewayOrder) {
	o.id, o.payment = uuid.NewString(), uuid.NewString()
	if o.gateway == Decta {
		o.payment = o.id
	}
	o.currency = o.total.Currency()
	zero := money.Zero(o.currency)
	o.captured, o.released, o.refunded, o.pending, o.disputed, o.returned = zero, zero, zero, zero, zero, zero
	o.created = f.o.Clock().UTC()
	o.instructions = map[string][]byte{}
	o.to(f, o.status)
	f.order = append(f.order, o)
	f.byID[o.id], f.byID[o.payment] = o, o
}

func (o *gatewayOrder) to(f *Fake, status string) {
	o.status, o.changed = status, f.o.Clock().UTC()
	o.history = append(o.history, change{status: status, at: o.changed})
}

// event changes an order as the world outside does, and sends its webhook.
func (f *Fake) event(ctx context.Context, id string, do func(*gatewayOrder) error) error {
	f.mu.Lock()
	o, ok := f.byID[id]
	if !ok {
		f.mu.Unlock()
		return fmt.Errorf("the fake has no order %q", id)
	}
	if err := do(o); err != nil {
		f.mu.Unlock()
		return err
	}
	hooks, err := f.hooks(o, "")
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.deliver(ctx, hooks)
}

// Pay makes the customer pay: a hold where one was asked for, else the money.
func (f *Fake) Pay(ctx context.Context, id string) error {
	return f.event(ctx, id, func(o *gatewayOrder) error {
		switch o.gateway {
		case Decta:
			o.to(f, "in_progress")
			if o.skipCapture {
				o.to(f, "hold")
				return nil
			}
			o.to(f, "paid")
		case Everifin:
			if o.further != nil && o.further.id == id {
				o.further.status = "BOOKED"
				break
			}
			o.to(f, "BOOKED")
		case ConnectPay:
			o.to(f, "Approved")
		}
		o.captured = o.total
		return nil
	})
}

// Turn gives an order, or the payment of an Everifin order, another status of the gateway's; reason is
// Everifin's code of a failure.
func (f *Fake) Turn(ctx context.Context, id, status, reason string) error {
	return f.event(ctx, id, func(o *gatewayOrder) error {
		o.reason = reason
		o.to(f, status)
		return nil
	})
}

// Dispute moves the dispute of a Decta order on: taken and returned are its counters of disputed money.
func (f *Fake) Dispute(ctx context.Context, id, status string, taken, returned money.Money) error {
	return f.event(ctx, id, func(o *gatewayOrder) error {
		o.disputed, o.returned = taken, returned
		o.to(f, status)
		return nil
	})
}

// Lapse lets the order end without money.
func (f *Fake) Lapse(ctx context.Context, id string) error {
	return f.event(ctx, id, func(o *gatewayOrder) error {
		o.to(f, map[string]string{Decta: "cancelled", Everifin: "EXPIRED", ConnectPay: "Abandoned"}[o.gateway])
		return nil
	})
}

// FinishRefunds completes the refunds that are under way.
func (f *Fake) FinishRefunds(ctx context.Context, id string) error {
	return f.event(ctx, id, func(o *gatewayOrder) error { return o.finishRefunds(f) })
}

func (o *gatewayOrder) finishRefunds(f *Fake) error {
	refunded, err := o.refunded.Add(o.pending)
	if err != nil {
		return err
	}
	o.refunded, o.pending = refunded, money.Zero(o.currency)
	for i := range o.refunds {
		if o.refunds[i].status == "CREATED" {
			o.refunds[i].status = "BOOKED"
		}
	}
	switch o.gateway {
	case Decta:
		o.to(f, "refunded")
	case ConnectPay:
		if refunded.Equal(o.captured) {
			o.to(f, "Refunded")
		} else {
			o.to(f, "PartialyRefunded")
		}
	}
	return nil
}

// refundable is what a refund may still ask for.
func (o *gatewayOrder) refundable() (money.Money, error) {
	left, err := o.captured.Sub(o.refunded)
	if err != nil {
		return money.Money{}, err
	}
	return left.Sub(o.pending)
}

// askRefund begins a refund; false when there is not so much to give back.
func (o *gatewayOrder) askRefund(f *Fake, amount money.Money) (refund, bool) {
	left, err := o.refundable()
	if err != nil {
		return refund{}, false
	}
	if c, err := amount.Cmp(left); err != nil || c > 0 || !amount.IsPositive() {
		return refund{}, false
	}
	pending, err := o.pending.Add(amount)
	if err != nil {
		return refund{}, false
	}
	o.pending = pending
	r := refund{id: uuid.NewString(), status: "CREATED", amount: amount}
	o.refunds = append(o.refunds, r)
	f.byID[r.id] = o
	return r, true
}
