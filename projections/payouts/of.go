package payouts

import (
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
)

// Of is what the views say about a payout order in this state, worked out without a database.
func Of(id string, s *order.State) Payout {
	return Payout{
		OrderID: storable.Text(id), Source: storable.Text(s.Source), SourceAccount: storable.Text(s.SourceAccount),
		SourceOrderID: storable.Text(s.SourceOrderID), MerchantReference: storable.Text(s.MerchantReference),
		Amount:  storable.ShownKnown(s.Payout.Amount, s.Currency, s.Payout.Known),
		PaidOut: storable.Shown(s.Payout.PaidOut, s.Currency), State: order.PayoutStatus(state(s)), Flags: append([]order.Flag{}, s.Flags()...),
		FirstRecordedAt: storable.ShownTime(s.FirstRecordedAt), LastRecordedAt: storable.ShownTime(s.LastRecordedAt),
		Revision: s.Revision, Position: s.Position, EventID: s.LastEventID,
	}
}
