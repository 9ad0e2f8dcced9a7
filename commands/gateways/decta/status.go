package decta

import (
	"strings"
	"unicode"

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
// clients to one: lower case, words joined by "_".
func normalise(text string) string {
	if recognised(text) {
		return text
	}
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return unicode.IsSpace(r) || r == '-' || r == '_'
	})
	if known, ok := oneWord(strings.Join(words, "")); ok {
		return known
	}
	return strings.Join(words, "_")
}

// oneWord finds the statuses that the documents, the engine and its clients
// spell in more than one way, by their letters alone.
func oneWord(letters string) (status string, ok bool) {
	switch letters {
	case "inprogress":
		return statusInProgress, true
	case "recieved": // as the gateway's documentation has it
		return statusReceived, true
	case "canceled":
		return statusCancelled, true
	case "refundinitiated", "refundinprogress":
		return statusRefundInitiated, true
	case "refundfailed":
		return statusRefundFailed, true
	case "refundreversed":
		return statusRefundReversed, true
	case "reversalinitiated", "reversalinprogress":
		return statusReversalInitiated, true
	case "reversalfailed":
		return statusReversalFailed, true
	case "representment":
		return statusRepresentation, true
	case "prearbitration":
		return statusPreArbitration, true
	case "precompliance":
		return statusPreCompliance, true
	case "goodfaith":
		return statusGoodFaith, true
	case "fraudadvice":
		return statusFraudAdvice, true
	}
	return "", false
}

// recognised tells whether the documents or the engine know a status.
func recognised(status string) bool {
	switch status {
	case statusDraft, statusTest, statusCreated, statusIssued, statusViewed, statusInProgress, statusFailed, statusHold, statusPaid,
		statusOverdue, statusExpired, statusCancelled, statusRejected, statusReceived, statusReversalInitiated,
		statusReversed, statusReversalFailed, statusWithdrawn:
		return true
	}
	_, isStage := stageOf(status)
	_, isRefund := refundStepOf(status)
	return isStage || isRefund
}

// isAttempt tells statuses of a single attempt to pay.
func isAttempt(status string) bool {
	switch status {
	case statusInProgress, statusFailed, statusHold, statusPaid:
		return true
	}
	return false
}

// isTry tells statuses in which somebody has tried to pay.
func isTry(status string) bool {
	switch status {
	case statusDraft, statusIssued, statusViewed, statusTest, statusCreated, statusOverdue, statusExpired, statusCancelled,
		statusRejected, statusReceived:
		return false
	}
	return recognised(status)
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
