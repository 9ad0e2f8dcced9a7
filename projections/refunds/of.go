package refunds

import (
	"cmp"
	"slices"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/provenance"
)

// Of is what the views say about the refunds of an order in this state, worked out without a
// database, oldest news first.
func Of(id string, s *order.State) []Refund {
	all := make([]Refund, 0, len(s.Refunds))
	for i := range s.Refunds {
		f := &s.Refunds[i]
		recordedAt := f.LastRecordedAt
		if recordedAt.IsZero() { // nothing but its existence is known
			recordedAt = s.FirstRecordedAt
		}
		all = append(all, Refund{
			OrderID: storable.Text(id), ID: storable.Text(f.ID), PaymentID: storable.Text(f.PaymentID),
			SourceRefundID: storable.Text(f.SourceID), Status: f.Status,
			Amount:     storable.ShownKnown(f.Amount, s.Currency, f.AmountKnown),
			ReasonCode: storable.Text(f.ReasonCode), InitiatedAt: storable.ShownOptional(f.InitiatedAt),
			ResolvedAt: storable.ShownOptional(f.ResolvedAt), LastRecordedAt: storable.ShownTime(recordedAt),
			Event: provenance.Of(f.LastEvent),
		})
	}
	slices.SortFunc(all, func(a, b Refund) int {
		return cmp.Or(a.LastRecordedAt.Compare(b.LastRecordedAt), cmp.Compare(a.ID, b.ID))
	})
	return all
}
