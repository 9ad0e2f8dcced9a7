package disputes

import (
	"cmp"
	"slices"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
	"github.com/order-ledger/order-ledger/projections/provenance"
)

// Of is what the views say about the disputes about an order in this state, worked out without a
// database, in the order of their ids.
func Of(id string, s *order.State) []Dispute {
	cur := s.Currency
	all := make([]Dispute, 0, len(s.Disputes))
	for i := range s.Disputes {
		d := &s.Disputes[i]
		shown := Dispute{
			OrderID: storable.Text(id), ID: storable.Text(d.ID), PaymentID: storable.Text(d.PaymentID), Track: d.Track,
			Stage: d.Stage, Outcome: d.Outcome, ReasonCode: storable.Text(d.ReasonCode), ARN: storable.Text(d.ARN),
			Disputed: storable.ShownKnown(d.Amount, cur, d.AmountKnown),
			Held:     storable.Shown(d.Held(), cur), Lost: storable.Shown(d.Lost, cur), Timeline: steps(d, cur),
			Event: provenance.Of(d.LastEvent),
		}
		if d.RespondBy != nil {
			shown.RespondBy = storable.ShownOptional(*d.RespondBy)
		}
		all = append(all, shown)
	}
	slices.SortFunc(all, func(a, b Dispute) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// steps is nil for a dispute without any, as OfOrder returns it.
func steps(d *order.Dispute, cur money.Currency) []Step {
	var all []Step
	for i := range d.Steps {
		step := &d.Steps[i]
		all = append(all, Step{
			Seq: step.Seq, Stage: storable.Text(step.Stage),
			Amount: storable.ShownKnown(step.Amount, cur, !step.Amount.Currency().IsZero()),
			Moved:  storable.Shown(step.Moved, cur), OccurredAt: storable.ShownTime(step.OccurredAt),
			RecordedAt: storable.ShownTime(step.RecordedAt), Event: provenance.Of(step.Event),
		})
	}
	return all
}
