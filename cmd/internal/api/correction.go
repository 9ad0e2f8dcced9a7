package api

import (
	"strconv"
	"time"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/projections/detail"
)

type (
	// CorrectionBody asks for balances to be put right.
	CorrectionBody struct {
		Reason          string           `json:"reason" minLength:"1" maxLength:"1000"`
		Approver        string           `json:"approver,omitempty" maxLength:"200" doc:"Whose approval is asked for, by the name of their token; any other person's when left out."`
		CorrectsEventID string           `json:"corrects_event_id,omitempty" format:"uuid"`
		Adjustments     []AdjustmentBody `json:"adjustments" minItems:"1" maxItems:"50"`
	}
	// AdjustmentBody moves one balance of a part of the order.
	AdjustmentBody struct {
		Balance   string `json:"balance" enum:"authorised,expected,captured,settled,received_externally,reversed,refunded,dispute_held,dispute_lost"`
		Direction string `json:"direction" enum:"increase,decrease"`
		Amount    Amount `json:"amount"`
		PaymentID string `json:"payment_id,omitempty" maxLength:"26"`
		RefundID  string `json:"refund_id,omitempty" maxLength:"26"`
		DisputeID string `json:"dispute_id,omitempty" maxLength:"26"`
	}
	// DeclineBody says why a correction is not made.
	DeclineBody struct {
		Reason string `json:"reason" minLength:"1" maxLength:"1000"`
	}
	// ProposedCorrection is an order with the correction that was just proposed; it has moved nothing.
	ProposedCorrection struct {
		detail.Order

		Correction CorrectionView `json:"correction"`
	}
	// CorrectionList are the corrections that were proposed, oldest first.
	CorrectionList struct {
		OrderID     string           `json:"order_id"`
		Corrections []CorrectionView `json:"corrections"`
	}
	// CorrectionView is a correction that was proposed.
	CorrectionView struct {
		CorrectionID    string           `json:"correction_id"`
		Status          string           `json:"status" enum:"PROPOSED,APPROVED,DECLINED"`
		ProposedBy      string           `json:"proposed_by"`
		Approver        string           `json:"approver,omitempty" doc:"Who is asked; once approved, who did."`
		Reason          string           `json:"reason"`
		CorrectsEventID string           `json:"corrects_event_id,omitempty"`
		Adjustments     []AdjustmentView `json:"adjustments"`
		ProposedAt      time.Time        `json:"proposed_at"`
		DecidedAt       *time.Time       `json:"decided_at,omitempty"`
	}
	// AdjustmentView is one balance that is to move.
	AdjustmentView struct {
		Balance   string      `json:"balance"`
		Direction string      `json:"direction"`
		Amount    money.Money `json:"amount"`
		PaymentID string      `json:"payment_id,omitempty"`
		RefundID  string      `json:"refund_id,omitempty"`
		DisputeID string      `json:"dispute_id,omitempty"`
	}
)

func proposeCorrection(r *request, t *target) (order.Action, error) {
	if err := aPerson(r.who.Name); err != nil {
		return nil, err
	}
	var b CorrectionBody
	if err := r.into(&b); err != nil {
		return nil, err
	}
	asked := order.ProposeCorrection{Reason: b.Reason, Approver: b.Approver, CorrectsEventID: b.CorrectsEventID}
	var wrong []FieldError
	for i, x := range b.Adjustments {
		m, err := money.ParseToken(x.Amount, t.state.Currency)
		if err != nil {
			wrong = append(wrong, FieldError{Field: "adjustments[" + strconv.Itoa(i) + "].amount", Message: err.Error()})
			continue
		}
		asked.Adjustments = append(asked.Adjustments, order.Adjustment{
			Balance: order.Balance(x.Balance), Direction: order.Direction(x.Direction), Amount: m,
			PaymentID: x.PaymentID, RefundID: x.RefundID, DisputeID: x.DisputeID,
		})
	}
	if len(wrong) > 0 {
		return nil, invalid(wrong...)
	}
	return asked, nil
}

// approveCorrection approves what a person proposed; earlier versions took proposals of nobody in particular.
func approveCorrection(r *request, t *target) (order.Action, error) {
	id := r.path("correction")
	if err := aPerson(r.who.Name); err != nil {
		return nil, err
	}
	for i := range t.state.Corrections {
		if c := &t.state.Corrections[i]; c.ID == id {
			if err := aPerson(c.Proposer); err != nil {
				return nil, err
			}
		}
	}
	return order.ApproveCorrection{CorrectionID: id}, nil
}

// proposed is the order just after a proposal, which is the newest.
func proposed(done *commands.Done) any {
	all := done.State.Corrections
	return ProposedCorrection{Order: after(done), Correction: correctionView(&all[len(all)-1])}
}

func correctionView(c *order.Correction) CorrectionView {
	v := CorrectionView{
		CorrectionID: c.ID, Status: string(c.Status), ProposedBy: c.Proposer, Approver: c.Approver, Reason: c.Reason,
		CorrectsEventID: c.CorrectsEventID, Adjustments: []AdjustmentView{}, ProposedAt: c.ProposedAt,
	}
	if !c.DecidedAt.IsZero() {
		v.DecidedAt = &c.DecidedAt
	}
	for _, a := range c.Adjustments {
		v.Adjustments = append(v.Adjustments, AdjustmentView{
			Balance: string(a.Balance), Direction: string(a.Direction), Amount: a.Amount,
			PaymentID: a.PaymentID, RefundID: a.RefundID, DisputeID: a.DisputeID,
		})
	}
	return v
}

// listCorrections answers from the log: what waits for approval is in no view.
func (a *API) listCorrections(r *request) (*answer, error) {
	_, state, err := a.Orders.Get(r.ctx, r.path("id"))
	if err != nil {
		return nil, err
	}
	list := CorrectionList{OrderID: r.path("id"), Corrections: []CorrectionView{}}
	for i := range state.Corrections {
		list.Corrections = append(list.Corrections, correctionView(&state.Corrections[i]))
	}
	return &answer{body: list, revision: &state.Revision}, nil
}
