package fakegateway

import (
	"context"
	"fmt"
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
)

// holdLength and startLength are after how long a hold and a payment that nobody begins end by themselves.
const (
	holdLength  = 28 * 24 * time.Hour
	startLength = 30 * time.Minute
)

// event changes an order as the world outside does, and sends its webhook. The id is that of an order, a
// payment or a refund.
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
	hooks, err := f.hooks(o)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.deliver(ctx, hooks)
}

// Pay makes the customer pay: a hold where one was asked for, else the money. A payout reaches its end.
func (f *Fake) Pay(ctx context.Context, id string) error {
	return f.event(ctx, id, func(o *gatewayOrder) error {
		switch o.gateway {
		case Decta:
			o.attempts++
			o.to(f, "in_progress")
			if o.skipCapture {
				o.to(f, "hold")
				return nil
			}
			o.to(f, "paid")
			o.captured = o.total
		case Everifin:
			return o.turnPayment(f, id, "BOOKED", "")
		case ConnectPay:
			o.to(f, "Approved")
			o.captured = o.total
		}
		return nil
	})
}

// Decline lets the customer's attempt to pay a Decta order fail. The last one that it allows cancels it.
func (f *Fake) Decline(ctx context.Context, id string) error {
	return f.event(ctx, id, func(o *gatewayOrder) error {
		o.attempts++
		o.to(f, "in_progress")
		o.to(f, "failed")
		if o.attemptsMax > 0 && o.attempts >= o.attemptsMax {
			o.to(f, "cancelled")
		}
		return nil
	})
}

// Turn gives an order, or a payment or refund of an Everifin order, another status of the gateway's; reason
// is Everifin's code of a payment's failure.
func (f *Fake) Turn(ctx context.Context, id, status, reason string) error {
	return f.event(ctx, id, func(o *gatewayOrder) error {
		if o.gateway == Everifin {
			return o.turnPayment(f, id, status, reason)
		}
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
	return f.Turn(ctx, id, map[string]string{Decta: "cancelled", Everifin: "EXPIRED", ConnectPay: "Abandoned"}[f.gatewayOf(id)], "")
}

func (f *Fake) gatewayOf(id string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o := f.byID[id]; o != nil {
		return o.gateway
	}
	return ""
}

// Pass lets time pass for an order that was backdated: what ends by itself does.
func (f *Fake) Pass(ctx context.Context, id string, d time.Duration) error {
	return f.event(ctx, id, func(o *gatewayOrder) error {
		o.age -= d
		now := o.now(f)
		switch {
		case o.gateway == Everifin:
			for _, p := range o.payments {
				if (p.status == "CREATED" || p.status == "SEEN") && !now.Before(p.created.Add(startLength)) {
					return o.turnPayment(f, p.id, "EXPIRED", "")
				}
			}
		case o.gateway != Decta:
		case o.status == "hold" && !now.Before(o.changed.Add(holdLength)):
			o.to(f, "cancelled")
		case o.status != "issued" && o.status != "viewed" && o.status != "failed", o.due.IsZero(), now.Before(o.due):
		case o.denyOverdue:
			o.to(f, "expired")
		default:
			o.to(f, "overdue")
		}
		return nil
	})
}

// Payout makes a Decta order that pays money out, which nobody asked for through the API, and returns its id.
func (f *Fake) Payout(ctx context.Context, reference string, amount money.Money) (string, error) {
	f.mu.Lock()
	o := &gatewayOrder{gateway: Decta, reference: reference, total: amount, status: "created", payout: true}
	f.add(o)
	hooks, err := f.hooks(o)
	f.mu.Unlock()
	if err != nil {
		return "", err
	}
	return o.id, f.deliver(ctx, hooks)
}

// Slow holds the refunds and reversals of an order back: they stay initiated until they are finished or
// fail.
func (f *Fake) Slow(id string) { f.with(id, func(o *gatewayOrder) { o.slow = true }) }

// Mute lets an order send no more webhooks.
func (f *Fake) Mute(id string) { f.with(id, func(o *gatewayOrder) { o.muted = true }) }

// Contradict turns ConnectPay's isTerminal round.
func (f *Fake) Contradict(id string) {
	f.with(id, func(o *gatewayOrder) { o.contradicts = !o.contradicts })
}

func (f *Fake) with(id string, do func(*gatewayOrder)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o := f.byID[id]; o != nil {
		do(o)
	}
}

// FinishRefunds completes the refunds that are under way.
func (f *Fake) FinishRefunds(ctx context.Context, id string) error {
	return f.event(ctx, id, func(o *gatewayOrder) error { return o.finishRefunds(f) })
}

// FailRefunds ends the refunds that are under way without success.
func (f *Fake) FailRefunds(ctx context.Context, id string) error {
	return f.event(ctx, id, func(o *gatewayOrder) error {
		o.endRefunds("FAILED")
		switch o.gateway {
		case Decta:
			o.to(f, "refund_failed")
		case ConnectPay:
			o.remark = "Refund declined" // without a word about it nobody could tell it from an old notification
			o.to(f, o.beforeRefund)
		}
		return nil
	})
}

// ReverseRefund cancels a Decta refund that was completed, through the processing centre.
func (f *Fake) ReverseRefund(ctx context.Context, id string, amount money.Money) error {
	return f.event(ctx, id, func(o *gatewayOrder) error {
		sum, err := o.refundReversed.Add(amount)
		if err != nil {
			return err
		}
		o.refundReversed = sum
		o.to(f, "refund_reversed")
		return nil
	})
}

// FinishReversal ends a reversal with success, also one that the gateway's people made.
func (f *Fake) FinishReversal(ctx context.Context, id string) error {
	return f.event(ctx, id, func(o *gatewayOrder) error { o.reversed(f); return nil })
}

// FailReversal ends a reversal without success.
func (f *Fake) FailReversal(ctx context.Context, id string) error {
	return f.Turn(ctx, id, "reversal_failed", "")
}
