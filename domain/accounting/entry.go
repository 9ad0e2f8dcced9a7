package accounting

import (
	"fmt"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

// Line is one posting of an entry.
type Line struct {
	Account Account
	// Amount is a debit when positive and a credit when negative; never zero.
	Amount money.Money
}

// UnbalancedError says that amounts of an order are too large to be added up: no entry can be made.
type UnbalancedError struct{ EventType string }

func (e *UnbalancedError) Error() string {
	return "the entry of " + e.EventType + " does not balance: amounts exceed what can be added up"
}

// Books are what the books of one order hold. The zero value is an order without events.
type Books struct {
	held balances
	// recognised is what an order counts as due once it was closed.
	recognised money.Money
	closed     bool
}

// Balance is what the order has on an account, fees excepted: they belong to the gateway's bill and not
// to the order.
func (b *Books) Balance(a Account) money.Money { return b.held[a] }

// EntriesFor returns the entry that an event makes, one line per account in the order of the chart, and
// the books after it. before are the books after all earlier events of the order, after is the order's
// state with the event. An event that moves nothing has no lines. Test orders have no books.
//
// The only error is an *UnbalancedError.
func EntriesFor(before Books, e order.Event, after *order.State) ([]Line, Books, error) {
	lines, err := before.Post(e, after)
	return lines, before, err
}

// Post is EntriesFor in place. After an error the books are what they were.
func (b *Books) Post(e order.Event, after *order.State) ([]Line, error) {
	if after.IsTest || !moves(e) {
		return nil, nil
	}
	books := Books{recognised: b.recognised, closed: b.closed}
	books.recognise(after)
	if after.Kind == order.KindPayout {
		books.held = payoutBalances(after)
	} else {
		books.held = orderBalances(after, books.recognised)
	}
	var lines []Line
	for a := range accounts {
		was, is := b.held[a], books.held[a]
		if (was.IsZero() && is.IsZero()) || is.Equal(was) {
			continue
		}
		if moved := minus(is, was); !moved.IsZero() {
			lines = append(lines, Line{Account: a, Amount: moved})
		}
	}
	lines = withExchange(withFees(lines, e), e)
	if !balanced(lines) {
		return nil, &UnbalancedError{EventType: e.EventType()}
	}
	*b = books
	return lines, nil
}

// recognise decides how much of the amount due is income: all of it while the order is open; when it is
// closed, what was paid by then. Money that comes later is the customer's until somebody decides. A
// closed order is open again when a newer fact says so.
func (b *Books) recognise(s *order.State) {
	due := money.Zero(s.Currency)
	if s.DueKnown {
		due = plus(due, s.AmountDue)
	}
	switch s.Lifecycle {
	case order.LifecycleExpired, order.LifecycleCancelled, order.LifecycleRejected:
		paid := s.Balances().Gross.FloorZero()
		if b.closed {
			paid = lesser(b.recognised, paid)
		}
		b.recognised, b.closed = lesser(due, paid), true
	case order.LifecycleOpen, order.LifecycleOverdue:
		b.recognised, b.closed = due, false
	default:
		b.recognised, b.closed = due, false
	}
}

// moves tells the events that may move a balance from those that never do. It names every type, so that
// a new one is not forgotten.
func moves(e order.Event) bool {
	switch e.(type) {
	case order.NotificationRecorded, order.CommandRecorded, order.CorrectionProposed, order.CorrectionDeclined, order.GatewayActionInitiated, order.GatewayActionAnswered, order.NotificationQuarantined, order.ReferenceLinked,
		order.PersonalDataErased, order.OrderDetailsLearned, order.OrderIssued, order.OrderViewed,
		order.GatewayStatusObserved, order.GatewayOrderStatusObserved, order.AnomalyFlagged, order.AnomalyResolved,
		order.SettlementMismatchFlagged, order.EnrichmentPending, order.ReversalInitiated, order.ReversalFailed, order.DisputeStageEntered:
		return false
	case order.OrderRegistered, order.OrderAmountChanged, order.OrderOverdue, order.OrderExpired, order.OrderCancelled,
		order.OrderRejectedByCustomer, order.OrderPaidExternally, order.FeeCharged, order.LedgerCorrectionRecorded,
		order.PaymentInitiated, order.PaymentAmountLearned, order.PaymentProcessingStarted,
		order.PaymentPendingAtProvider, order.PaymentAttemptFailed, order.PaymentAbandoned, order.PaymentExpired,
		order.PaymentWithdrawn, order.PaymentOutcomeUnknown, order.PaymentAuthorized, order.AuthorizationReleased,
		order.PaymentConfirmed, order.PaymentCaptured, order.PaymentSettled, order.PaymentReversed,
		order.SettlementMatched,
		order.RefundInitiated, order.RefundCompleted, order.RefundFailed, order.RefundReversed, order.RefundObserved,
		order.DisputeFundsWithdrawn, order.DisputeFundsReinstated, order.DisputeResolved, order.DisputeProvisioned,
		order.PayoutRequested, order.PayoutProcessing, order.PayoutCompleted, order.PayoutFailed,
		order.PayoutCancelled, order.PayoutReversed:
		return true
	}
	panic(fmt.Sprintf("accounting: no postings are decided for %s", e.EventType()))
}

// withFees adds what a gateway keeps: it comes out of the money that it holds for us, or out of what it
// paid to the bank.
func withFees(lines []Line, e order.Event) []Line {
	switch e := e.(type) {
	case order.FeeCharged:
		account := GatewayFees
		if e.FeeKind == FeeKindDispute {
			account = DisputeFees
		}
		from := GatewayClearing
		if e.FromSettlement {
			from = Bank
		}
		return transfer(lines, account, from, e.Amount)
	case order.PaymentSettled:
		switch {
		case e.Fee != nil:
			return transfer(lines, GatewayFees, Bank, *e.Fee)
		case e.Net != nil && e.Net.SameCurrency(e.Amount):
			return transfer(lines, GatewayFees, Bank, minus(e.Amount, *e.Net))
		}
	case order.SettlementMatched:
		if e.Kind == settlement.FeeReversal {
			back := e.Amount
			if e.Exchange != nil {
				back = e.Exchange.Amount
			}
			account := GatewayFees
			if e.FeeKind == FeeKindDispute {
				account = DisputeFees
			}
			return transfer(lines, Bank, account, back)
		}
	default:
	}
	return lines
}

// withExchange adds what a line of a statement came to in the currency of its account; balances hold what it is in the
// order's. What it came to and what the agreed rate makes of it differ by a gain or a loss, rounding included.
func withExchange(lines []Line, e order.Event) []Line {
	m, ok := e.(order.SettlementMatched)
	if !ok || m.Exchange == nil || m.Kind == settlement.Fee || m.Kind == settlement.FeeReversal {
		return lines
	}
	return exchange(lines, Bank, m.Kind.Incoming(), m.Amount, m.Exchange)
}

// exchange books an amount in the currency of the account that it came to, or went from.
func exchange(lines []Line, account Account, incoming bool, amount money.Money, x *settlement.Exchange) []Line {
	came, agreed := x.Amount, x.At(amount)
	if !incoming {
		came, agreed = came.Neg(), agreed.Neg()
	}
	for _, l := range []Line{
		{account, came}, {CurrencyExchange, agreed.Neg()}, {ExchangeDifference, minus(agreed, came)},
	} {
		if !l.Amount.IsZero() {
			lines = post(lines, l.Account, l.Amount)
		}
	}
	return lines
}

// FeeKindDispute is the kind of a FeeCharged that belongs to a dispute; every other kind is a gateway's fee.
const FeeKindDispute = "dispute"

// transfer debits one account and credits another.
func transfer(lines []Line, debit, credit Account, amount money.Money) []Line {
	if amount.IsZero() {
		return lines
	}
	return post(post(lines, debit, amount), credit, amount.Neg())
}

// post adds an amount to the line of its account, which is made or removed as needed.
func post(lines []Line, a Account, amount money.Money) []Line {
	for i := range lines {
		if lines[i].Account != a || !lines[i].Amount.SameCurrency(amount) {
			continue
		}
		if lines[i].Amount = plus(lines[i].Amount, amount); lines[i].Amount.IsZero() {
			return append(lines[:i], lines[i+1:]...)
		}
		return lines
	}
	at := len(lines)
	for at > 0 && lines[at-1].Account > a {
		at--
	}
	lines = append(lines, Line{})
	copy(lines[at+1:], lines[at:])
	lines[at] = Line{Account: a, Amount: amount}
	return lines
}

// balanced tells whether debits are credits, per currency.
func balanced(lines []Line) bool {
	var sums []money.Money
	for _, l := range lines {
		i := 0
		for i < len(sums) && !sums[i].SameCurrency(l.Amount) {
			i++
		}
		if i == len(sums) {
			sums = append(sums, l.Amount)
			continue
		}
		sum, err := sums[i].Add(l.Amount)
		if err != nil {
			return false
		}
		sums[i] = sum
	}
	for _, sum := range sums {
		if !sum.IsZero() {
			return false
		}
	}
	return true
}
