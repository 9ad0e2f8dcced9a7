package decta

import (
	"strings"

	"github.com/order-ledger/order-ledger/domain/order"
)

// The gate's statuses, normalised.
const (
	statusDraft             = "draft"
	statusIssued            = "issued"
	statusViewed            = "viewed"
	statusInProgress        = "in_progress"
	statusFailed            = "failed"
	statusHold              = "hold"
	statusPaid              = "paid"
	statusOverdue           = "overdue"
	statusExpired           = "expired"
	statusCancelled         = "cancelled"
	statusRejected          = "rejected"
	statusReceived          = "received"
	statusRefundInitiated   = "refund_initiated"
	statusRefunded          = "refunded"
	statusRefundFailed      = "refund_failed"
	statusRefundReversed    = "refund_reversed"
	statusReversalInitiated = "reversal_initiated"
	statusReversed          = "reversed"
	statusReversalFailed    = "reversal_failed"
	statusRetrieval         = "retrieval"
	statusChargeback        = "chargeback"
	statusRepresentation    = "representation"
	statusPreArbitration    = "pre_arbitration"
	statusArbitration       = "arbitration"
	statusPreCompliance     = "pre_compliance"
	statusCompliance        = "compliance"
	statusGoodFaith         = "good_faith"
	statusFraudAdvice       = "fraud_advice"
	statusCreated           = "created"
	statusTest              = "test"
	statusWithdrawn         = "withdrawn"
)

// normalise brings the spellings of the documents, of the engine and of its
// clients to one.
func normalise(text string) string {
	s := strings.ToLower(strings.TrimSpace(text))
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '-' || r == '_' || r == '\t' }), "_")
	switch s {
	case "recieved":
		return statusReceived
	case "canceled":
		return statusCancelled
	case "representment":
		return statusRepresentation
	case "prearbitration":
		return statusPreArbitration
	case "precompliance":
		return statusPreCompliance
	case "goodfaith":
		return statusGoodFaith
	case "inprogress":
		return statusInProgress
	case "refund_in_progress":
		return statusRefundInitiated
	case "reversal_in_progress":
		return statusReversalInitiated
	}
	return s
}

// stageOf is the stage that a status says a dispute has reached.
func stageOf(status string) (order.Stage, bool) {
	switch status {
	case statusRetrieval:
		return order.StageRetrieval, true
	case statusChargeback:
		return order.StageChargeback, true
	case statusRepresentation:
		return order.StageRepresentment, true
	case statusPreArbitration:
		return order.StagePreArbitration, true
	case statusArbitration:
		return order.StageArbitration, true
	case statusPreCompliance:
		return order.StagePreCompliance, true
	case statusCompliance:
		return order.StageCompliance, true
	case statusGoodFaith:
		return order.StageGoodFaith, true
	case statusFraudAdvice:
		return order.StageFraudAdvice, true
	}
	return "", false
}

// refundStepOf is the step that a status says a refund has taken.
func refundStepOf(status string) (order.RefundStep, bool) {
	switch status {
	case statusRefundInitiated:
		return order.RefundStepInitiated, true
	case statusRefunded:
		return order.RefundStepCompleted, true
	case statusRefundFailed:
		return order.RefundStepFailed, true
	case statusRefundReversed:
		return order.RefundStepReversed, true
	}
	return "", false
}

// presupposesCapture tells statuses that cannot be without a captured payment.
func presupposesCapture(status string) bool {
	switch status {
	case statusRefundInitiated, statusRefunded, statusRefundFailed, statusRefundReversed,
		statusChargeback, statusRepresentation, statusPreArbitration, statusArbitration, statusCompliance:
		return true
	}
	return false
}

// beforePayment tells statuses in which nobody has tried to pay yet.
func beforePayment(status string) bool {
	switch status {
	case "", statusDraft, statusIssued, statusViewed, statusTest, statusOverdue, statusExpired, statusCancelled, statusRejected,
		statusReceived:
		return true
	}
	return false
}
