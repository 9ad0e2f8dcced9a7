package orders

import (
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
)

// Of is what the views say about an order in this state, worked out without a database: the same
// as Get returns once the row of the state is written. test says that it is a test order.
func Of(id string, s *order.State, test bool) Order {
	b := s.Balances()
	cur := s.Currency
	return Order{
		ID: storable.Text(id), Test: test, Source: storable.Text(s.Source), SourceAccount: storable.Text(s.SourceAccount),
		SourceOrderID: storable.Text(s.SourceOrderID), MerchantReference: storable.Text(s.MerchantReference), Currency: cur.Code(),

		AmountDue:  storable.ShownKnown(s.AmountDue, cur, s.DueKnown),
		Authorised: storable.Shown(b.Authorised, cur), Expected: storable.Shown(b.Expected, cur),
		Captured: storable.Shown(b.Captured, cur), Settled: storable.Shown(b.Settled, cur),
		ReceivedExternally: storable.Shown(b.External, cur), Reversed: storable.Shown(b.Reversed, cur),
		RefundPending: storable.Shown(b.RefundPending, cur), Refunded: storable.Shown(b.Refunded, cur),
		DisputeHeld: storable.Shown(b.DisputeHeld, cur), DisputeLost: storable.Shown(b.DisputeLost, cur),
		GrossPaid: storable.Shown(b.Gross, cur), Net: storable.Shown(b.Net, cur), Overpaid: storable.Shown(b.Overpaid, cur),

		PaymentState: s.PaymentState(), RefundState: s.RefundState(), DisputeState: s.DisputeState(),
		Lifecycle: order.Lifecycle(lifecycle(s)), GatewayStatus: storable.Text(s.GatewayStatus), Flags: append([]order.Flag{}, s.Flags()...),

		FirstRecordedAt: storable.ShownTime(s.FirstRecordedAt), LastRecordedAt: storable.ShownTime(s.LastRecordedAt),
		Revision: s.Revision, Position: s.Position, EventID: s.LastEventID,
	}
}
