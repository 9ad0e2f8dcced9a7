package commands

import (
	"slices"

	"github.com/order-ledger/order-ledger/domain/order"
)

// unconfirmed tells whether a notification is a hint alone.
func (in *Intake) unconfirmed(n Notification) bool {
	return n.Via == ViaWebhook && in.confirm != nil && in.confirm(n.Gateway, n.Account)
}

// withhold leaves of a translation what moves no money and changes no amount. The evidence is kept
// whole, and the GET that the hint leads to tells the rest.
func (t *Translation) withhold() {
	t.Registration.AmountDue = nil
	t.Facts = slices.DeleteFunc(slices.Clone(t.Facts), func(f order.Fact) bool {
		switch f.(type) {
		case order.Issued, order.Viewed, order.PaymentSeen, order.Processing, order.PendingAtProvider, order.Anomaly:
			return false
		default:
			return true
		}
	})
	for i, f := range t.Facts {
		if seen, ok := f.(order.PaymentSeen); ok {
			seen.Amount = nil
			t.Facts[i] = seen
		}
	}
}
