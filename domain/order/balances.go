package order

import (
	"slices"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Balance names one balance of an order.
type Balance string

// The balances of an order, in its currency; none is ever negative.
const (
	BalanceAuthorised    Balance = "authorised"
	BalanceExpected      Balance = "expected"
	BalanceCaptured      Balance = "captured"
	BalanceSettled       Balance = "settled"
	BalanceExternal      Balance = "received_externally"
	BalanceReversed      Balance = "reversed"
	BalanceRefundPending Balance = "refund_pending"
	BalanceRefunded      Balance = "refunded"
	BalanceDisputeHeld   Balance = "dispute_held"
	BalanceDisputeLost   Balance = "dispute_lost"
)

// Balances are an order's totals. All but Net, Gross, Withheld and Exchanged are >= 0.
type Balances struct {
	Authorised, Expected, Captured, Settled, External, Reversed money.Money
	RefundPending, Refunded, DisputeHeld, DisputeLost           money.Money
	// RefundedByHand and RefundedExternal are parts of Refunded: captured money that somebody gave back
	// without the gateway, and money that was received outside it.
	RefundedByHand, RefundedExternal money.Money
	// Withheld is what the gateway kept back from payouts for refunds and chargebacks, less what it gave
	// back of it; it may be below zero.
	Withheld money.Money
	// ExternalPaid is what accounts of statements paid of RefundedExternal.
	ExternalPaid money.Money
	// Exchanged is what came in, less what went out, where the account is in another currency.
	Exchanged money.Money
	// Provisions are what is expected to be lost of disputes without an outcome.
	Provisions money.Money
	// Gross is captured + external - reversed.
	Gross money.Money
	// Net is gross - refunded - dispute held - dispute lost.
	Net money.Money
	// Overpaid is what was paid above the amount due, if that is known.
	Overpaid money.Money
}

// PaymentState is the public answer to "is it paid?".
type PaymentState string

// States of payment.
const (
	Unpaid        PaymentState = "UNPAID"
	PartiallyPaid PaymentState = "PARTIALLY_PAID"
	Paid          PaymentState = "PAID"
)

// RefundState is the public answer to "was it refunded?".
type RefundState string

// States of refunding.
const (
	RefundNone    RefundState = "NONE"
	RefundPending RefundState = "PENDING"
	RefundPartial RefundState = "PARTIAL"
	RefundFull    RefundState = "FULL"
)

// DisputeState is the public answer to "is it disputed?".
type DisputeState string

// States of dispute.
const (
	DisputeNone    DisputeState = "NONE"
	DisputeInquiry DisputeState = "INQUIRY"
	DisputeOpen    DisputeState = "OPEN"
	DisputeWon     DisputeState = "WON"
	DisputeLost    DisputeState = "LOST"
	DisputeMixed   DisputeState = "MIXED"
)

// Balances sums the parts of the order up.
func (s *State) Balances() Balances {
	zero := money.Zero(s.Currency)
	b := Balances{
		Authorised: zero, Expected: zero, Captured: zero, Settled: zero, Reversed: zero,
		External: add(zero, s.External), RefundPending: zero, DisputeHeld: zero, DisputeLost: zero,
		RefundedByHand: zero, RefundedExternal: zero,
		Overpaid: zero, Withheld: s.withheld(), Exchanged: s.exchanged(), ExternalPaid: s.externalPaid(), Provisions: zero,
	}
	for i := range s.Payments {
		p := &s.Payments[i]
		b.Authorised = add(b.Authorised, p.OpenHold())
		b.Expected = add(b.Expected, p.Expected())
		b.Captured = add(b.Captured, p.Captured)
		b.Settled = add(b.Settled, p.Settled)
		b.Reversed = add(b.Reversed, p.Reversed)
	}
	completed, back := zero, zero
	for i := range s.Refunds {
		f := &s.Refunds[i]
		if f.Open && f.AmountKnown {
			b.RefundPending = add(b.RefundPending, f.Amount)
		}
		completed, back = add(completed, f.Completed), add(back, f.Reversed)
		switch {
		case f.External:
			b.RefundedExternal = add(b.RefundedExternal, f.Completed)
		case f.GivenByHand:
			b.RefundedByHand = add(b.RefundedByHand, f.Completed)
		}
	}
	b.Refunded = floorZero(sub(completed, back))
	for i := range s.Disputes {
		d := &s.Disputes[i]
		b.DisputeHeld = add(b.DisputeHeld, d.Held())
		b.DisputeLost = add(b.DisputeLost, d.Lost)
		if !d.Resolved {
			b.Provisions = add(b.Provisions, d.Provision)
		}
	}
	b.Gross = sub(add(b.Captured, b.External), b.Reversed)
	b.Net = sub(sub(sub(b.Gross, b.Refunded), b.DisputeHeld), b.DisputeLost)
	if s.DueKnown {
		b.Overpaid = floorZero(sub(b.Gross, s.AmountDue))
	}
	return b
}

// OpenHold is what is blocked on the customer's account now.
func (p *Payment) OpenHold() money.Money {
	if p.HoldEnded {
		return sub(p.Held, p.Held)
	}
	return floorZero(sub(sub(p.Held, p.Captured), p.Released))
}

// Expected is what the payer's bank confirmed and has not booked.
func (p *Payment) Expected() money.Money {
	if p.Dead || p.Captured.IsPositive() {
		return sub(p.Confirmed, p.Confirmed)
	}
	return p.Confirmed
}

// PaymentState compares what was paid with what is due (invariant I11:
// nothing else counts).
func (s *State) PaymentState() PaymentState {
	return paymentState(s.DueKnown, s.AmountDue, s.Balances().Gross)
}

func paymentState(dueKnown bool, due, gross money.Money) PaymentState {
	switch {
	case !dueKnown && gross.IsPositive():
		return PartiallyPaid
	case !dueKnown:
		return Unpaid
	case !less(gross, due):
		return Paid
	case gross.IsPositive():
		return PartiallyPaid
	}
	return Unpaid
}

// RefundState compares what was refunded with what was captured.
func (s *State) RefundState() RefundState {
	b := s.Balances()
	if b.Refunded.IsPositive() && !less(b.Refunded, add(b.Captured, b.External)) {
		return RefundFull
	}
	for i := range s.Refunds {
		if s.Refunds[i].Open {
			return RefundPending
		}
	}
	if b.Refunded.IsPositive() {
		return RefundPartial
	}
	return RefundNone
}

// DisputeState sums the order's disputes up: what is open comes before
// inquiries, inquiries before outcomes. Fraud advice alone is no dispute.
func (s *State) DisputeState() DisputeState {
	var inquiry, won, lost, mixed bool
	for i := range s.Disputes {
		d := &s.Disputes[i]
		switch {
		case d.Resolved:
			switch d.Outcome {
			case OutcomeWon, OutcomeWithdrawn:
				won = true
			case OutcomeLost, OutcomeAccepted, OutcomeExpired:
				lost = true
			case OutcomeSplit:
				mixed = true
			}
		case d.Stage == StageRetrieval && d.Withdrawn.IsZero(), d.Stage == StageGoodFaith && d.Withdrawn.IsZero():
			inquiry = true
		case d.Stage == StageFraudAdvice && d.Withdrawn.IsZero():
		default:
			return DisputeOpen
		}
	}
	switch {
	case inquiry:
		return DisputeInquiry
	case mixed, won && lost:
		return DisputeMixed
	case won:
		return DisputeWon
	case lost:
		return DisputeLost
	}
	return DisputeNone
}

// Flags returns the order's flags, sorted: those that events carry, and those
// that hold at this moment. The slice belongs to the caller.
func (s *State) Flags() []Flag {
	flags := slices.Clone(s.flags)
	present := func(f Flag, holds bool) {
		if i, found := slices.BinarySearch(flags, f); holds && !found {
			flags = slices.Insert(flags, i, f)
		}
	}
	b := s.Balances()
	present(FlagDueUnknown, !s.DueKnown && s.Kind != KindPayout && !b.Gross.IsZero())
	present(FlagExposureExceedsCaptured, b.exposed())
	present(FlagAmountPending, s.awaits())
	present(FlagGatewayStateMismatch, s.gatewayDisagrees())
	return flags
}

// exposed tells whether more went back, or is on its way back, than ever came
// in (invariant I5).
func (b *Balances) exposed() bool {
	in := add(b.Captured, b.External)
	taken := add(add(b.Reversed, b.DisputeHeld), b.DisputeLost)
	return less(in, add(taken, add(b.Refunded, b.RefundPending)))
}

// awaits tells whether a reported movement of money cannot be counted yet.
func (s *State) awaits() bool {
	for i := range s.Payments {
		p := &s.Payments[i]
		if p.AwaitsCapture != nil || p.AwaitsSettle != nil || p.AwaitsConfirm != nil || p.AwaitsReversal != nil {
			return true
		}
	}
	for i := range s.Refunds {
		if s.Refunds[i].AwaitsComplete != nil {
			return true
		}
	}
	return false
}

// gatewayDisagrees compares the gateway's own order status with ours, where
// it uses the same three words. A status from before the newest capture, or
// learnt before the amount due changed, says nothing about it, and the gateway
// does not know what was received outside.
func (s *State) gatewayDisagrees() bool {
	if !s.External.IsZero() || s.dueRevision > s.gatewayOrderRevision {
		return false
	}
	for i := range s.Payments {
		if s.Payments[i].capturedAt.After(s.gatewayOrderAt) {
			return false
		}
	}
	switch PaymentState(s.gatewayOrderStatus) {
	case Unpaid, PartiallyPaid, Paid:
		return PaymentState(s.gatewayOrderStatus) != s.PaymentState()
	}
	return false
}
