package fakegateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/commands/gateways/signature"
)

// reply is what a handler answers: a status and a body, and the order whose webhook is to be sent.
type reply struct {
	status  int
	body    any
	changed *gatewayOrder
	first   []Hook // go out before that
}

type handler func(r *http.Request, body []byte) reply

// handle adds a call. The fault that is due, if any, comes before or instead of the work.
func (f *Fake) handle(gateway, pattern, action string, authorised func(*http.Request, []byte) bool, do handler) {
	f.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
		if err != nil {
			http.Error(w, "too long", http.StatusRequestEntityTooLarge)
			return
		}
		fault, failing := f.fault(gateway, action, r.Method)
		if failing && !fault.Executed {
			fail(w, r, fault)
			return
		}
		if !authorised(r, body) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f.mu.Lock()
		f.sent[gateway+" "+r.Method+" "+action] = body
		f.mu.Unlock()
		answer, hooks, err := f.work(do, r, body)
		if err == nil {
			err = f.deliver(context.WithoutCancel(r.Context()), hooks)
		}
		switch {
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		case failing:
			fail(w, r, fault)
		default:
			// Byte for byte what a webhook about the same state carries, as ConnectPay's documents have it.
			text, err := json.Marshal(answer.body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(answer.status)
			_, _ = w.Write(text)
		}
	})
}

func (f *Fake) work(do handler, r *http.Request, body []byte) (reply, []Hook, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer := do(r, body)
	if answer.changed == nil {
		return answer, nil, nil
	}
	hooks, err := f.hooks(answer.changed)
	return answer, append(answer.first, hooks...), err
}

func (f *Fake) fault(gateway, action, method string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[gateway+" "+method+" "+action]++
	faults := f.faults[gateway]
	if len(faults) == 0 || (faults[0].Write && method == http.MethodGet) {
		return Fault{}, false
	}
	f.faults[gateway] = faults[1:]
	return faults[0], true
}

func fail(w http.ResponseWriter, r *http.Request, fault Fault) {
	if fault.Status == 0 {
		<-r.Context().Done() // the caller hangs up, or the server closes
		return
	}
	if fault.RetryAfter != "" {
		w.Header().Set("Retry-After", fault.RetryAfter)
	}
	w.WriteHeader(fault.Status)
}

// hooks are the webhooks of an order's present state, less the lost.
func (f *Fake) hooks(o *gatewayOrder) ([]Hook, error) {
	if f.o.Deliver == nil || o.muted {
		return nil, nil
	}
	hook, err := f.hook(o)
	if err != nil {
		return nil, err
	}
	switch {
	case f.lose > 0:
		f.lose--
		return nil, nil
	case o.gateway == Everifin:
		ofOrder, err := f.orderHook(o)
		return append([]Hook{hook}, ofOrder...), err
	}
	return []Hook{hook}, nil
}

// orderHook is Everifin's webhook about the status of an order, when that has changed.
func (f *Fake) orderHook(o *gatewayOrder) ([]Hook, error) {
	status, err := o.everifinStatus()
	if err != nil || status == o.orderStatus {
		return nil, err
	}
	o.orderStatus = status
	body, err := json.Marshal(object{
		"eventId": uuid.NewString(), "eventType": "order.statusChange", "eventTimestamp": iso(o.now(f)),
		"data": object{"orderId": o.id, "externalId": o.reference, "status": status},
	})
	if err != nil {
		return nil, fmt.Errorf("write a webhook: %w", err)
	}
	h, err := f.sign(o, body)
	return []Hook{h}, err
}

// Hook is the webhook of an order's present state, signed and not sent.
func (f *Fake) Hook(id string) (Hook, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.byID[id]
	if o == nil {
		return Hook{}, fmt.Errorf("the fake has no order %q", id)
	}
	return f.hook(o)
}

func (f *Fake) hook(o *gatewayOrder) (Hook, error) {
	var told any
	switch o.gateway {
	case Decta:
		told = o.dectaBody()
	case Everifin:
		told = o.everifinHook(o.now(f))
	case ConnectPay:
		told = o.connectpayBody()
	}
	body, err := json.Marshal(told)
	if err != nil {
		return Hook{}, fmt.Errorf("write a webhook: %w", err)
	}
	return f.sign(o, body)
}

func (f *Fake) sign(o *gatewayOrder, body []byte) (Hook, error) {
	h := Hook{Gateway: o.gateway, Body: body, Header: http.Header{"Content-Type": {"application/json"}}}
	switch {
	case o.gateway == Everifin && len(f.o.HookSecret) > 0:
		h.Header.Set("Signature", signature.SignEverifin(f.o.Clock(), body, signature.ComposeDotted, f.o.HookSecret))
	case o.gateway == Decta && f.o.HookKey != nil:
		signed, err := signature.SignRSA(f.o.HookKey, body)
		if err != nil {
			return Hook{}, err
		}
		h.Header.Set("X-Signature", signed)
	case o.gateway == ConnectPay && f.o.HookToken != "":
		h.Header.Set("Authorization", "Bearer "+f.o.HookToken)
	}
	return h, nil
}

func (f *Fake) deliver(ctx context.Context, hooks []Hook) error {
	for _, h := range hooks {
		err := f.o.Deliver(ctx, h)
		switch {
		case err != nil && f.o.Redelivers:
			f.mu.Lock()
			f.queue = append(f.queue, delivery{hook: h})
			f.mu.Unlock()
		case err != nil:
			return fmt.Errorf("deliver a webhook of %s: %w", h.Gateway, err)
		}
	}
	return nil
}

// Redeliver sends the webhooks that were not taken once more, in order, and returns how many are still not
// taken. After five times the gateway gives up.
func (f *Fake) Redeliver(ctx context.Context) int {
	f.mu.Lock()
	waiting := f.queue
	f.queue = nil
	f.mu.Unlock()
	var left []delivery
	for _, d := range waiting {
		if d.tries++; f.o.Deliver(ctx, d.hook) != nil && d.tries < redeliveriesMax {
			left = append(left, d)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append(left, f.queue...)
	return len(f.queue)
}

func number(text string) json.RawMessage { return json.RawMessage(text) }

func iso(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
