package api

import (
	"github.com/order-ledger/order-ledger/domain/order"
)

// Advice is what a merchant's shop should do now, after Everifin's table of recommended reactions.
type Advice struct {
	OrderID string `json:"order_id"`
	// Basis is the state that the advice rests on.
	Basis string `json:"basis"`
	// ThankYouPage is what the customer should see, Order what should happen to the merchant's order.
	ThankYouPage string `json:"thank_you_page" enum:"show_success,show_failure_offer_retry,show_withdrawn,show_pending,show_unclear"`
	Order        string `json:"order" enum:"fulfil,mark_unsuccessful,nothing,wait,merchant_decides"`
	Final        bool   `json:"final"`
	Reason       string `json:"reason"`
}

func (a *API) advice(r *request) (*answer, error) {
	_, state, err := a.Orders.Get(r.ctx, r.path("id"))
	if err != nil {
		return nil, err
	}
	revision := state.Revision
	return &answer{body: advise(&state), revision: &revision}, nil
}

// advise goes by money first, then by the payment that came last.
func advise(s *order.State) Advice {
	advice := Advice{OrderID: s.ID}
	with := func(basis, page, do string, final bool, reason string) Advice {
		advice.Basis, advice.ThankYouPage, advice.Order, advice.Final, advice.Reason = basis, page, do, final, reason
		return advice
	}
	if s.PaymentState() == order.Paid {
		return with("PAID", "show_success", "fulfil", true, "The order is paid in full.")
	}
	if len(s.Payments) == 0 {
		if s.Lifecycle == order.LifecycleOpen || s.Lifecycle == order.LifecycleOverdue {
			return with(string(s.Lifecycle), "show_pending", "wait", false, "Nobody has begun to pay.")
		}
		return with(string(s.Lifecycle), "show_failure_offer_retry", "mark_unsuccessful", true, "The order was closed unpaid.")
	}
	last := s.Payments[len(s.Payments)-1]
	basis := string(last.Status)
	switch last.Status {
	case order.PaymentCapturedStatus, order.PaymentSettledStatus:
		return with("PARTIALLY_PAID", "show_pending", "wait", false, "A part is paid; the rest is still due.")
	case order.PaymentConfirmedStatus:
		return with(basis, "show_success", "merchant_decides", false,
			"The payer's bank confirmed the payment and has not booked it. It mostly succeeds; whether to deliver now is the merchant's risk.")
	case order.PaymentFailedStatus, order.PaymentExpiredStatus, order.PaymentAbandonedStatus, order.PaymentReversedStatus, order.PaymentReleasedStatus:
		return with(basis, "show_failure_offer_retry", "mark_unsuccessful", s.Lifecycle != order.LifecycleOpen,
			"The payment did not succeed; the customer may start the checkout again with the same cart.")
	case order.PaymentWithdrawnStatus:
		return with(basis, "show_withdrawn", "nothing", true, "The merchant withdrew the payment and knows it already.")
	case order.PaymentUnknownStatus:
		return with(basis, "show_unclear", "merchant_decides", false,
			"The gateway cannot learn from the bank any more whether the payment succeeded: wait for the money, or treat it as unsuccessful and refund it if it comes.")
	case order.PaymentAuthorizedStatus:
		return with(basis, "show_success", "wait", false, "The money is held; capture or void it before the hold ends.")
	case order.PaymentInitiatedStatus, order.PaymentViewedStatus, order.PaymentProcessingStatus, order.PaymentPendingStatus:
	}
	return with(basis, "show_pending", "wait", false, "The payment is under way.")
}
