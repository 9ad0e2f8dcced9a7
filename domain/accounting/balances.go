package accounting

import (
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// balances are what an order has on each account.
type balances [accounts]money.Money

// orderBalances are those of an order that collects money, of which recognised is income.
//
// The sum is zero: with g the gross paid, never below zero, and n the net,
//
//	n + (max(0, due-g)) - due - (max(0, g-due) - refunded overpayment) + refunds + held + lost - pending
//
// in which an excess of what went back over what came in moves from the account that it would be on to
// what is recoverable.
func orderBalances(s *order.State, recognised money.Money) balances {
	b := s.Balances()
	gross := b.Gross.FloorZero()
	over := minus(gross, recognised).FloorZero()
	refunds := plus(b.Refunded, b.RefundPending)
	ofOver := lesser(refunds, over) // a refund of what was paid too much is no allowance

	var h balances
	outside := minus(b.External, b.RefundedExternal)
	arrived := minus(minus(b.Settled, b.Withheld), b.RefundedByHand)
	h[ExternalClearing] = plus(outside, b.ExternalPaid)
	h[Bank], h[CurrencyExchange] = minus(minus(arrived, b.ExternalPaid), b.Exchanged), b.Exchanged
	h[GatewayClearing] = minus(minus(b.Net, outside), arrived)
	h[Receivable] = minus(recognised, gross).FloorZero()
	h[Sales] = recognised.Neg()
	h[CustomerFunds] = minus(ofOver, over)
	h[RefundsPayable] = b.RefundPending.Neg()

	h[Refunds], h[ChargebackLosses], h[DisputedFunds] = minus(refunds, ofOver), b.DisputeLost, b.DisputeHeld
	excess := minus(plus(plus(b.Refunded, b.DisputeHeld), b.DisputeLost), gross).FloorZero()
	h[ExcessRecoverable] = plus(excess, minus(gross, b.Gross))
	for _, a := range []Account{Refunds, ChargebackLosses, DisputedFunds} {
		part := lesser(excess, h[a])
		h[a], excess = minus(h[a], part), minus(excess, part)
	}
	h[ExcessRecoverable] = minus(h[ExcessRecoverable], excess)
	h[ChargebackLosses], h[DisputeProvision] = plus(h[ChargebackLosses], b.Provisions), b.Provisions.Neg()

	h[Holds], h[HoldsContra] = b.Authorised, b.Authorised.Neg()
	h[Expected], h[ExpectedContra] = b.Expected, b.Expected.Neg()
	return h
}

// payoutBalances are those of an order that sends money out. It touches no account of customers.
func payoutBalances(s *order.State) balances {
	p := &s.Payout
	zero := money.Zero(s.Currency)
	paid, open := plus(zero, p.PaidOut), zero
	if p.Known && (p.Status == order.PayoutStateRequested || p.Status == order.PayoutStateProcessing) {
		open = minus(p.Amount, p.PaidOut).FloorZero()
	}
	var h balances
	h[OrderControl] = plus(paid, open)
	h[PayoutsPayable] = open.Neg()
	b := s.Balances()
	h[GatewayClearing] = minus(b.Withheld, paid)
	h[Bank], h[CurrencyExchange] = minus(b.Withheld.Neg(), b.Exchanged), b.Exchanged
	return h
}

// plus and minus: within one order all amounts share a currency; an amount that is too large is found
// when the entry does not balance.

func plus(a, b money.Money) money.Money {
	if sum, err := a.Add(b); err == nil {
		return sum
	}
	return a
}

func minus(a, b money.Money) money.Money {
	if difference, err := a.Sub(b); err == nil {
		return difference
	}
	return a
}

func lesser(a, b money.Money) money.Money {
	if least, err := money.Min(a, b); err == nil {
		return least
	}
	return a
}
