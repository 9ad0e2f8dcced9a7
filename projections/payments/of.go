package payments

import (
	"cmp"
	"slices"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/provenance"
)

// Of is what the views say about the payments of an order in this state, worked out without a
// database, oldest news first.
func Of(id string, s *order.State) []Payment {
	all := make([]Payment, 0, len(s.Payments))
	for i := range s.Payments {
		p := &s.Payments[i]
		occurredAt := p.LastOccurredAt
		if occurredAt.IsZero() { // nothing but its existence is known
			occurredAt = s.FirstRecordedAt
		}
		all = append(all, Payment{
			OrderID: storable.Text(id), ID: storable.Text(p.ID), SourcePaymentID: storable.Text(p.SourceID),
			Method: storable.Text(p.Method), Status: p.Status,
			Amount:   storable.ShownKnown(p.Amount, s.Currency, p.AmountKnown),
			Captured: storable.Shown(p.Captured, s.Currency), Settled: storable.Shown(p.Settled, s.Currency),
			ReasonCode: storable.Text(p.ReasonCode), LastOccurredAt: storable.ShownTime(occurredAt),
			Event: provenance.Of(p.LastEvent),
		})
	}
	slices.SortFunc(all, func(a, b Payment) int {
		return cmp.Or(a.LastOccurredAt.Compare(b.LastOccurredAt), cmp.Compare(a.ID, b.ID))
	})
	return all
}
