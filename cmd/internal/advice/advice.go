// Package advice is what a merchant's shop should do now about an order, after Everifin's table of recommended
// reactions to payment statuses.
package advice

import (
	"fmt"

	"github.com/order-ledger/order-ledger/domain/order"
)

// Choice is what a merchant decided to do about payments in a status that leaves it to them.
type Choice string

// Choices. The zero value is that nobody decided.
const (
	// TakeAsPaid delivers on a payment that may still fail.
	TakeAsPaid Choice = "paid"
	// WaitForMoney tells the customer that the payment is still being checked.
	WaitForMoney Choice = "wait"
	// TakeAsFailed lets the customer start again, and gives back what comes after all.
	TakeAsFailed Choice = "unsuccessful"
)

// Choices are a merchant's, for the statuses that Everifin's document leaves to them.
type Choices struct {
	Confirmed         Choice `yaml:"confirmed"`          // paid or wait
	ProcessingExpired Choice `yaml:"processing_expired"` // wait or unsuccessful
	Processing        Choice `yaml:"processing"`         // wait or unsuccessful
}

// Check tells whether each choice is one of its status.
func (c Choices) Check() error {
	switch {
	case c.Confirmed != "" && c.Confirmed != TakeAsPaid && c.Confirmed != WaitForMoney:
		return fmt.Errorf("confirmed is %s or %s, not %q", TakeAsPaid, WaitForMoney, c.Confirmed)
	case c.ProcessingExpired != "" && c.ProcessingExpired != WaitForMoney && c.ProcessingExpired != TakeAsFailed:
		return fmt.Errorf("processing_expired is %s or %s, not %q", WaitForMoney, TakeAsFailed, c.ProcessingExpired)
	case c.Processing != "" && c.Processing != WaitForMoney && c.Processing != TakeAsFailed:
		return fmt.Errorf("processing is %s or %s, not %q", WaitForMoney, TakeAsFailed, c.Processing)
	}
	return nil
}

// What the customer should see.
const (
	pageSuccess   = "show_success"
	pageFailure   = "show_failure_offer_retry"
	pageWithdrawn = "show_withdrawn"
	pagePending   = "show_pending"
	pageUnclear   = "show_unclear"
	pageRestart   = "offer_restart"
	pageRefunded  = "show_refunded"
	pageDisputed  = "show_disputed"
	pageNone      = "none"
)

// What should happen to the merchant's order.
const (
	doFulfil   = "fulfil"
	doFail     = "mark_unsuccessful"
	doNothing  = "nothing"
	doWait     = "wait"
	doDecide   = "merchant_decides"
	doRefunded = "mark_refunded"
	doHold     = "hold"
	doLost     = "mark_lost"
)

// Recommendation is what to do: one thing for the page that the customer comes back to, one for the order
// when a webhook comes.
type Recommendation struct {
	OrderID string `json:"order_id"`
	// Basis is the state that the advice rests on.
	Basis        string `json:"basis"`
	ThankYouPage string `json:"thank_you_page" enum:"show_success,show_failure_offer_retry,show_withdrawn,show_pending,show_unclear,offer_restart,show_refunded,show_disputed,none" doc:"What the customer should see."`
	Order        string `json:"order" enum:"fulfil,mark_unsuccessful,nothing,wait,merchant_decides,mark_refunded,hold,mark_lost" doc:"What should happen to the merchant's order."`
	Final        bool   `json:"final" doc:"Nothing more is expected to come of it."`
	// Withdrawable: the payment can be withdrawn, after which the customer can start again.
	Withdrawable bool   `json:"withdrawable"`
	Reason       string `json:"reason"`
}

// Of goes by money that came and went first, then by how the order was closed, then by the payment that
// may still succeed or came last.
func Of(s *order.State, c Choices) Recommendation {
	advice := Recommendation{OrderID: s.ID}
	switch {
	case s.Kind == order.KindPayout:
		advice.payout(s)
	case s.DisputeState() == order.DisputeOpen:
		advice.is("DISPUTE_OPEN", pageDisputed, doHold, false,
			"The customer's bank took the money back and the dispute is open: deliver nothing more until it is decided.")
	case lost(s):
		advice.is("DISPUTE_LOST", pageDisputed, doLost, true, "The whole payment was lost in a dispute.")
	case s.RefundState() == order.RefundFull:
		advice.is("REFUNDED", pageRefunded, doRefunded, true, "All that was paid was given back.")
	case s.PaymentState() == order.Paid && closed(s):
		advice.is("PAID_AFTER_CLOSE", pageUnclear, doDecide, false,
			"Money came after the order was closed: deliver after all, or give it back.")
	case s.PaymentState() == order.Paid:
		advice.is("PAID", pageSuccess, doFulfil, s.RefundState() != order.RefundPending, "The order is paid in full.")
	case closed(s):
		advice.closed(s)
	case len(s.Payments) == 0:
		advice.is(string(s.Lifecycle), pagePending, doWait, false, "Nobody has begun to pay.")
	default:
		advice.payment(s, deciding(s.Payments), c)
	}
	return advice
}

func (a *Recommendation) is(basis, page, do string, final bool, reason string) {
	a.Basis, a.ThankYouPage, a.Order, a.Final, a.Reason = basis, page, do, final, reason
}

// lost tells whether a dispute took all that was paid, for good.
func lost(s *order.State) bool {
	b := s.Balances()
	return b.DisputeLost.IsPositive() && !b.Net.IsPositive()
}

func closed(s *order.State) bool {
	return s.Lifecycle != order.LifecycleOpen && s.Lifecycle != order.LifecycleOverdue
}

// closed is about an order that was closed and is not paid.
func (a *Recommendation) closed(s *order.State) {
	for i := range s.Payments {
		if open(s.Payments[i].Status) {
			a.is(string(s.Lifecycle), pageFailure, doFail, false,
				"The order was closed while a payment was under way: if its money still comes, give it back.")
			return
		}
	}
	a.is(string(s.Lifecycle), pageFailure, doFail, true, "The order was closed unpaid.")
}

// open tells whether money may still come of a payment in this status.
func open(status order.PaymentStatus) bool {
	switch status {
	case order.PaymentInitiatedStatus, order.PaymentViewedStatus, order.PaymentProcessingStatus, order.PaymentPendingStatus,
		order.PaymentConfirmedStatus, order.PaymentUnknownStatus, order.PaymentAuthorizedStatus:
		return true
	case order.PaymentFailedStatus, order.PaymentAbandonedStatus, order.PaymentExpiredStatus, order.PaymentWithdrawnStatus,
		order.PaymentReleasedStatus, order.PaymentCapturedStatus, order.PaymentSettledStatus, order.PaymentReversedStatus:
	}
	return false
}

// deciding is the newest payment that money may still come of, else the newest.
func deciding(payments []order.Payment) *order.Payment {
	for i := len(payments) - 1; i >= 0; i-- {
		if open(payments[i].Status) {
			return &payments[i]
		}
	}
	return &payments[len(payments)-1]
}

// payment is about an open order that is not paid in full.
func (a *Recommendation) payment(s *order.State, p *order.Payment, c Choices) {
	basis := string(p.Status)
	switch p.Status {
	case order.PaymentInitiatedStatus, order.PaymentViewedStatus:
		if s.Source != everifinGateway {
			a.is(basis, pagePending, doWait, false, "The customer has not paid yet, and may be about to.")
			return
		}
		a.is(basis, pageRestart, doNothing, false,
			"The customer came back without starting to pay: withdraw the payment and let the customer start the checkout again. It expires by itself after 30 minutes.")
		a.Withdrawable = true
	case order.PaymentConfirmedStatus:
		a.confirmed(basis, c.Confirmed)
	case order.PaymentUnknownStatus:
		a.chosen(basis, c.ProcessingExpired, pageUnclear, doDecide,
			"The gateway cannot learn from the bank any more whether the payment succeeded: wait for the money, or treat it as unsuccessful and refund it if it comes.")
	case order.PaymentProcessingStatus, order.PaymentPendingStatus:
		a.chosen(basis, c.Processing, pagePending, doWait,
			"The payment is being processed: tell the customer that it is still being checked. The order may be marked as being paid.")
	case order.PaymentAuthorizedStatus:
		a.is(basis, pageSuccess, doWait, false, "The money is held; capture or void it before the hold ends.")
	case order.PaymentCapturedStatus, order.PaymentSettledStatus:
		a.is(string(order.PartiallyPaid), pagePending, doWait, false, "A part is paid; the rest is still due.")
	case order.PaymentWithdrawnStatus:
		a.is(basis, pageWithdrawn, doNothing, true, "The merchant withdrew the payment and knows it already.")
	case order.PaymentFailedStatus, order.PaymentExpiredStatus, order.PaymentAbandonedStatus, order.PaymentReversedStatus, order.PaymentReleasedStatus:
		a.is(basis, pageFailure, doFail, false, "The payment did not succeed; the customer may start the checkout again with the same cart.")
	}
}

// everifinGateway is the gateway whose payments can be withdrawn before the customer begins.
const everifinGateway = "everifin"

func (a *Recommendation) confirmed(basis string, c Choice) {
	const mostly = "The payer's bank confirmed the payment and has not booked it. It mostly succeeds"
	switch c {
	case TakeAsPaid:
		a.is(basis, pageSuccess, doFulfil, false, mostly+"; the merchant chose to take it as paid, and deals with the money that is missing afterwards.")
	case WaitForMoney:
		a.is(basis, pagePending, doWait, false, mostly+"; the merchant chose to wait until it is booked.")
	case TakeAsFailed:
		fallthrough
	default:
		a.is(basis, pageSuccess, doDecide, false, mostly+"; whether to deliver now is the merchant's risk.")
	}
}

// chosen is what the merchant chose to do about a payment whose end is not known, else what is said here.
func (a *Recommendation) chosen(basis string, c Choice, page, do, reason string) {
	switch c {
	case WaitForMoney:
		a.is(basis, pagePending, doWait, false, "The merchant chose to tell the customer that the payment is still being checked, and to wait.")
	case TakeAsFailed:
		a.is(basis, pageFailure, doFail, false, "The merchant chose to treat this as unsuccessful: give the money back if it comes.")
	case TakeAsPaid:
		fallthrough
	default:
		a.is(basis, page, do, false, reason)
	}
}

// payout is about money out, for which no customer waits on a page.
func (a *Recommendation) payout(s *order.State) {
	basis := "PAYOUT_" + string(s.Payout.Status)
	switch s.Payout.Status {
	case order.PayoutStatePaid:
		a.is(basis, pageNone, doFulfil, true, "The money was paid out.")
	case order.PayoutStateFailed, order.PayoutStateCancelled, order.PayoutStateReversed:
		a.is(basis, pageNone, doFail, true, "The money was not paid out, or came back.")
	case order.PayoutStateRequested, order.PayoutStateProcessing:
		fallthrough
	default:
		a.is(basis, pageNone, doWait, false, "The payout is under way.")
	}
}
