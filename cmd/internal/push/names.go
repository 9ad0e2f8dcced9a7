package push

import (
	"encoding/json"
	"fmt"
	"slices"
)

// names gives each event that is pushed its name; what is not here is not pushed: evidence, details,
// flags, and what the ledger waits for. It is read only.
var names = map[string]string{
	"OrderIssued":              "order.issued",
	"OrderViewed":              "order.viewed",
	"OrderAmountChanged":       "order.amount_changed",
	"OrderOverdue":             "order.overdue",
	"OrderExpired":             "order.expired",
	"OrderCancelled":           "order.canceled",
	"OrderRejectedByCustomer":  "order.rejected",
	"OrderPaidExternally":      "order.received",
	"PaymentProcessingStarted": "order.in_progress",
	"PaymentPendingAtProvider": "order.in_progress",
	"PaymentConfirmed":         "order.in_progress",
	"PaymentOutcomeUnknown":    "order.in_progress",
	"PaymentAuthorized":        "order.hold",
	"AuthorizationReleased":    "order.hold_released",
	"PaymentCaptured":          "order.payment_success",
	"PaymentAttemptFailed":     "order.payment_failure",
	"PaymentAbandoned":         "order.payment_failure",
	"PaymentExpired":           "order.payment_failure",
	"PaymentWithdrawn":         "order.payment_failure",
	"PaymentSettled":           "settlement.completed",
	"ReversalInitiated":        "reversal.initiated",
	"ReversalFailed":           "reversal.failed",
	"PaymentReversed":          "reversal.completed",
	"RefundInitiated":          "refund.initiated",
	"RefundCompleted":          "refund.completed",
	"RefundObserved":           "refund.completed",
	"RefundFailed":             "refund.failed",
	"RefundReversed":           "refund.reversed",
	"RetrievalRequested":       "dispute.retrieval",
	"ChargebackReceived":       "dispute.chargeback",
	"RepresentmentFiled":       "dispute.representation",
	"PreArbitrationOpened":     "dispute.pre_arbitration",
	"ArbitrationOpened":        "dispute.arbitration",
	"PreComplianceOpened":      "dispute.pre_compliance",
	"ComplianceOpened":         "dispute.compliance",
	"FraudAdviceReceived":      "dispute.fraud_advice",
	"GoodFaithRequested":       "dispute.good_faith",
	"DisputeFundsWithdrawn":    "dispute.funds_withdrawn",
	"DisputeFundsReinstated":   "dispute.funds_reinstated",
	"DisputeResolved":          "dispute.resolved",
	"LedgerCorrectionRecorded": "order.corrected",
	"PayoutRequested":          "payout.requested",
	"PayoutProcessing":         "payout.in_progress",
	"PayoutCompleted":          "payout.completed",
	"PayoutFailed":             "payout.failed",
	"PayoutCancelled":          "payout.canceled",
	"PayoutReversed":           "payout.reversed",
}

// Names are the names of all events that are pushed, sorted.
func Names() []string {
	var out []string
	for _, name := range names {
		out = append(out, name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// parts are the ids of what an event is about, besides its order.
type parts struct {
	Payment string `json:"payment_id"`
	Refund  string `json:"refund_id"`
	Dispute string `json:"dispute_id"`
}

// partsOf finds which part of an order an event is about: all events name them alike.
func partsOf(data []byte) (parts, error) {
	var of parts
	if err := json.Unmarshal(data, &of); err != nil {
		return of, fmt.Errorf("find what an event is about: %w", err)
	}
	return of, nil
}
