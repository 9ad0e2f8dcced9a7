package reconcile

import (
	"slices"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/order"
)

// open tells whether the gateway may still have something to say that its API tells.
func open(s *order.State) bool {
	if s.Kind == order.KindPayout {
		return s.Payout.Status == "" || s.Payout.Status == order.PayoutStateRequested || s.Payout.Status == order.PayoutStateProcessing
	}
	if slices.Contains(s.Flags(), order.FlagAmountPending) {
		return true
	}
	for i := range s.Refunds {
		if s.Refunds[i].Open {
			return true
		}
	}
	closed := s.Lifecycle != order.LifecycleOpen && s.Lifecycle != order.LifecycleOverdue
	if len(s.Payments) == 0 {
		return !closed && s.External.IsZero()
	}
	for i := range s.Payments {
		if !final(s, &s.Payments[i]) && !closed {
			return true
		}
	}
	return false
}

// final tells whether the gateway has said its last word about a payment, as its documents have it.
func final(s *order.State, p *order.Payment) bool {
	switch p.Status {
	case order.PaymentFailedStatus:
		switch s.Source {
		case "decta":
			return false // there, a payment that failed may be tried again
		case "everifin":
			return p.ReasonCode != "" // webhooks do not tell it, the payment's GET does
		}
		return true
	case order.PaymentAbandonedStatus, order.PaymentExpiredStatus, order.PaymentWithdrawnStatus,
		order.PaymentReleasedStatus, order.PaymentCapturedStatus, order.PaymentSettledStatus, order.PaymentReversedStatus:
		return true
	case order.PaymentInitiatedStatus, order.PaymentViewedStatus, order.PaymentProcessingStatus, order.PaymentPendingStatus,
		order.PaymentConfirmedStatus, order.PaymentUnknownStatus, order.PaymentAuthorizedStatus:
	}
	return !s.External.IsZero() // paid elsewhere
}

// refs are the gateway's names for an order, one for each gateway order that it was tried with.
func refs(s *order.State) []commands.GatewayRefs {
	var out []commands.GatewayRefs
	of := func(id string) *commands.GatewayRefs {
		i := slices.IndexFunc(out, func(r commands.GatewayRefs) bool { return r.OrderID == id })
		if i < 0 {
			i = len(out)
			out = append(out, commands.GatewayRefs{OrderID: id})
		}
		return &out[i]
	}
	if s.Source != "connectpay" && s.SourceOrderID != "" { // it has no orders: that name is the merchant's
		of(s.SourceOrderID)
	}
	for i := range s.Payments {
		p := &s.Payments[i]
		if p.SourceID == "" {
			continue
		}
		switch s.Source {
		case "connectpay":
			r := of("")
			r.PaymentIDs = append(r.PaymentIDs, p.SourceID)
		case "everifin":
			r := of(p.SourceOrderID)
			// The order tells of its payments all but the reason of a failure.
			if p.SourceOrderID == "" || (p.Status == order.PaymentFailedStatus && p.ReasonCode == "") {
				r.PaymentIDs = append(r.PaymentIDs, p.SourceID)
			}
		default:
			of(p.SourceOrderID)
		}
	}
	return out
}
