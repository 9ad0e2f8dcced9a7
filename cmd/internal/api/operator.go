package api

import (
	"time"

	"github.com/order-ledger/order-ledger/domain/order"
)

// What operators record that no gateway reports.
type (
	// CompletionBody says that a refund by hand was made.
	CompletionBody struct {
		OccurredAt *time.Time `json:"occurred_at,omitempty" doc:"When the money went; now when left out."`
		Reference  string     `json:"reference,omitempty" pattern:"^[ -~]{1,140}$" doc:"The bank's reference of the transfer; no personal data."`
	}
	// FailureBody says that a refund is not made.
	FailureBody struct {
		OccurredAt *time.Time `json:"occurred_at,omitempty" doc:"When that was known; now when left out."`
		ReasonCode string     `json:"reason_code,omitempty" pattern:"^[A-Za-z0-9_.-]{1,64}$"`
	}
	// ProvisionBody is what is expected to be lost of a dispute.
	ProvisionBody struct {
		Amount Amount `json:"amount" doc:"All that is expected to be lost, in place of what was said before; 0 for nothing."`
	}
	// DisputeBody is a stage of a dispute.
	DisputeBody struct {
		Stage      string     `json:"stage" enum:"retrieval,chargeback,representment,pre_arbitration,arbitration,pre_compliance,compliance,fraud_advice,good_faith"`
		Amount     Amount     `json:"amount,omitempty" doc:"All that is left of the payment when left out."`
		PaymentID  string     `json:"payment_id,omitempty" maxLength:"26" doc:"Needed when several payments have captured money."`
		Withdrawn  *bool      `json:"funds_withdrawn,omitempty" doc:"Whether the money was taken from us; when left out, yes for a chargeback and no for every other stage."`
		ReasonCode string     `json:"reason_code,omitempty" pattern:"^[A-Za-z0-9_.:-]{1,64}$" doc:"With its scheme: visa:10.4, mc:4853."`
		ARN        string     `json:"arn,omitempty" pattern:"^[0-9]{23}$" doc:"Acquirer reference number."`
		CaseNo     string     `json:"case_no,omitempty" pattern:"^[!-~]{1,64}$"`
		RespondBy  *time.Time `json:"respond_by,omitempty" doc:"Until when an answer is wanted; an alarm is raised before."`
		OccurredAt *time.Time `json:"occurred_at,omitempty" doc:"When the stage was entered; now when left out."`
	}
)

func completeRefund(r *request, _ *target) (order.Action, error) {
	var b CompletionBody
	err := r.into(&b)
	return order.CompleteRefund{RefundID: r.path("refund"), OccurredAt: timeOr(b.OccurredAt), Reference: b.Reference}, err
}

func failRefund(r *request, _ *target) (order.Action, error) {
	var b FailureBody
	err := r.into(&b)
	return order.FailRefund{RefundID: r.path("refund"), OccurredAt: timeOr(b.OccurredAt), ReasonCode: b.ReasonCode}, err
}

func recordDispute(r *request, t *target) (order.Action, error) {
	var b DisputeBody
	if err := r.into(&b); err != nil {
		return nil, err
	}
	m, err := b.Amount.optional(t.state.Currency, "amount")
	a := order.RecordDispute{
		Stage: order.Stage(b.Stage), PaymentID: b.PaymentID, Amount: m, Withdrawn: b.Withdrawn, ReasonCode: b.ReasonCode,
		ARN: b.ARN, CaseNo: b.CaseNo, OccurredAt: timeOr(b.OccurredAt),
	}
	if b.RespondBy != nil {
		by := b.RespondBy.UTC()
		a.RespondBy = &by
	}
	return a, err
}

func provisionDispute(r *request, t *target) (order.Action, error) {
	var b ProvisionBody
	if err := r.into(&b); err != nil {
		return nil, err
	}
	m, err := b.Amount.in(t.state.Currency, "amount")
	return order.ProvisionDispute{DisputeID: r.path("dispute"), Amount: m}, err
}

// timeOr is the zero time for none.
func timeOr(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
