package push

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/order-ledger/order-ledger/domain/order"
)

// names gives each type of event that is pushed its name. It is read only.
var names = map[string]string{
	"OrderIssued":               "order.issued",
	"OrderViewed":               "order.viewed",
	"OrderAmountChanged":        "order.amount_changed",
	"OrderOverdue":              "order.overdue",
	"OrderExpired":              "order.expired",
	"OrderCancelled":            "order.canceled",
	"OrderRejectedByCustomer":   "order.rejected",
	"OrderPaidExternally":       "order.received",
	"PaymentProcessingStarted":  "order.in_progress",
	"PaymentPendingAtProvider":  "order.in_progress",
	"PaymentConfirmed":          "order.in_progress",
	"PaymentOutcomeUnknown":     "order.in_progress",
	"PaymentAuthorized":         "order.hold",
	"AuthorizationReleased":     "order.hold_released",
	"PaymentCaptured":           "order.payment_success",
	"PaymentAttemptFailed":      "order.payment_failure",
	"PaymentAbandoned":          "order.payment_failure",
	"PaymentExpired":            "order.payment_failure",
	"PaymentWithdrawn":          "order.payment_failure",
	"PaymentSettled":            "settlement.completed",
	"FeeCharged":                "settlement.fee",
	"SettlementMatched":         "settlement.matched",
	"SettlementMismatchFlagged": "settlement.mismatch",
	"ReversalInitiated":         "reversal.initiated",
	"ReversalFailed":            "reversal.failed",
	"PaymentReversed":           "reversal.completed",
	"RefundInitiated":           "refund.initiated",
	"RefundCompleted":           "refund.completed",
	"RefundObserved":            "refund.completed",
	"RefundFailed":              "refund.failed",
	"RefundReversed":            "refund.reversed",
	"RetrievalRequested":        "dispute.retrieval",
	"ChargebackReceived":        "dispute.chargeback",
	"RepresentmentFiled":        "dispute.representation",
	"PreArbitrationOpened":      "dispute.pre_arbitration",
	"ArbitrationOpened":         "dispute.arbitration",
	"PreComplianceOpened":       "dispute.pre_compliance",
	"ComplianceOpened":          "dispute.compliance",
	"FraudAdviceReceived":       "dispute.fraud_advice",
	"GoodFaithRequested":        "dispute.good_faith",
	"DisputeFundsWithdrawn":     "dispute.funds_withdrawn",
	"DisputeFundsReinstated":    "dispute.funds_reinstated",
	"DisputeResolved":           "dispute.resolved",
	"LedgerCorrectionRecorded":  "order.corrected",
	"PayoutRequested":           "payout.requested",
	"PayoutProcessing":          "payout.in_progress",
	"PayoutCompleted":           "payout.completed",
	"PayoutFailed":              "payout.failed",
	"PayoutCancelled":           "payout.canceled",
	"PayoutReversed":            "payout.reversed",
}

// leftOut are the types of an order's events that are not pushed. It is read only. With names it is the whole
// catalogue: a type that is in neither was written by a newer program.
var leftOut = map[string]bool{
	// Evidence, and what the ledger did itself.
	"NotificationRecorded": true, "NotificationQuarantined": true, "CommandRecorded": true, "GatewayActionInitiated": true, "GatewayActionAnswered": true,
	"EnrichmentPending": true, "ReferenceLinked": true, "PersonalDataErased": true,
	// Details that change no state.
	"OrderRegistered": true, "OrderDetailsLearned": true, "PaymentInitiated": true, "PaymentAmountLearned": true,
	"GatewayStatusObserved": true, "GatewayOrderStatusObserved": true,
	// What the ledger's operators do among themselves, and flags for them; a correction that is recorded is pushed.
	"AnomalyFlagged": true, "AnomalyResolved": true, "CorrectionProposed": true, "CorrectionDeclined": true,
	"DisputeProvisioned": true,
}

func isLeftOut(eventType string) bool { return leftOut[eventType] }

const (
	// refundObserved is a refund of which nobody told how much it gave back: nobody may take it for all.
	refundObserved = "refund.observed"
	// unknownName stands in for the name of an event that a newer program wrote.
	unknownName = "unknown"
)

// nameOf is the name of an event whose type is in names.
func nameOf(event order.Event) string {
	if observed, ok := event.(order.RefundObserved); ok && observed.Extent == order.ExtentUnknown {
		return refundObserved
	}
	return firstName(event.EventType())
}

// firstName is the name that events of a type mostly have; unknownName when the type is not known.
func firstName(eventType string) string {
	if name, ok := names[eventType]; ok {
		return name
	}
	return unknownName
}

// mayWant tells whether the subscriber may want an event of a type. Of types that are not known anything may
// be wanted.
func (s *Subscriber) mayWant(eventType string) bool {
	name, known := names[eventType]
	return !known || s.Wants(name) || (eventType == order.RefundObserved{}.EventType() && s.Wants(refundObserved))
}

// orderOf is the order's id in the name of its stream.
func orderOf(stream string) string {
	_, id, _ := strings.Cut(stream, "-")
	return id
}

// Names are the names of all events that are pushed, sorted.
func Names() []string {
	out := []string{refundObserved}
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
