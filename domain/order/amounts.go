package order

import (
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

// eachAmount visits every amount that an event carries.
func eachAmount(e Event, visit func(money.Money)) {
	optional := func(m *money.Money) {
		if m != nil {
			visit(*m)
		}
	}
	switch e := e.(type) {
	case OrderRegistered:
		optional(e.AmountDue)
	case OrderAmountChanged:
		visit(e.NewAmountDue)
	case OrderPaidExternally:
		visit(e.Amount)
	case FeeCharged:
		if !e.FromSettlement { // that is in the currency of the account
			visit(e.Amount)
		}
	case SettlementMatched:
		if e.Kind != settlement.Fee && e.Kind != settlement.FeeReversal { // those are in the currency of the account
			visit(e.Amount)
		}
	case LedgerCorrectionRecorded:
		for i := range e.Adjustments {
			visit(e.Adjustments[i].Amount)
		}
	case CorrectionProposed:
		for i := range e.Adjustments {
			visit(e.Adjustments[i].Amount)
		}
	case PaymentInitiated:
		optional(e.Amount)
	case PaymentAmountLearned:
		visit(e.Amount)
	case PaymentAuthorized:
		visit(e.Amount)
	case AuthorizationReleased:
		visit(e.Amount)
	case PaymentConfirmed:
		visit(e.Amount)
	case PaymentCaptured:
		visit(e.Amount)
	case PaymentSettled:
		visit(e.Amount)
	case ReversalInitiated:
		optional(e.Amount)
	case PaymentReversed:
		visit(e.Amount)
	case EnrichmentPending:
		optional(e.Amount)
	case RefundInitiated:
		optional(e.Amount)
	case GatewayActionInitiated:
		optional(e.Amount)
	case RefundCompleted:
		visit(e.Amount)
	case RefundReversed:
		visit(e.Amount)
	case DisputeStageEntered:
		optional(e.DisputedAmount)
	case DisputeFundsWithdrawn:
		visit(e.Amount)
	case DisputeFundsReinstated:
		visit(e.Amount)
	case DisputeResolved:
		optional(e.AmountLost)
	case DisputeProvisioned:
		visit(e.Amount)
	case PayoutRequested:
		optional(e.Amount)
	case PayoutCompleted:
		visit(e.Amount)
	case PayoutReversed:
		visit(e.Amount)
	case SettlementMismatchFlagged: // moves nothing, and may be in another currency
	case OrderDetailsLearned, OrderIssued, OrderViewed, OrderOverdue, OrderExpired, OrderCancelled, CorrectionDeclined,
		OrderRejectedByCustomer, GatewayStatusObserved, GatewayOrderStatusObserved, AnomalyFlagged,
		AnomalyResolved, PersonalDataErased, CommandRecorded, GatewayActionAnswered, NotificationRecorded, NotificationQuarantined, ReferenceLinked,
		PaymentProcessingStarted, PaymentPendingAtProvider, PaymentAttemptFailed, PaymentAbandoned,
		PaymentExpired, PaymentWithdrawn, PaymentOutcomeUnknown, ReversalFailed, RefundFailed,
		RefundObserved, PayoutProcessing, PayoutFailed, PayoutCancelled:
	}
}

// eachFactAmount visits every amount that a fact carries; nil for those that
// it leaves out.
func eachFactAmount(f Fact, visit func(*money.Money)) {
	switch f := f.(type) {
	case PaidOutside:
		visit(f.Amount)
	case Fee:
		visit(&f.Amount)
	case PaymentSeen:
		visit(f.Amount)
	case Confirmed:
		visit(f.Amount)
	case Captured:
		visit(f.Amount)
	case Settled:
		visit(f.Amount)
	case Totals:
		visit(&f.Total)
		visit(f.TakenBack)
	case ReversalStarted:
		visit(f.Amount)
	case RefundReported:
		visit(f.Amount)
	case RefundTotals:
		visit(f.Refunded)
		visit(f.RefundReversed)
		visit(f.Pending)
	case RefundWord:
		visit(f.Amount)
	case DisputeStage:
		visit(f.Amount)
	case DisputeTotals:
		visit(f.Withdrawn)
		visit(f.Returned)
	case PayoutReported:
		visit(f.Amount)
	case Issued, Viewed, Overdue, Expired, Cancelled, Rejected, StatusObserved, OrderStatusObserved, Anomaly,
		Processing, PendingAtProvider, Failed, Abandoned, PaymentLapsed, Withdrawn, OutcomeUnknown,
		ReversalRefused, RefundStepAt:
	default: // At is no fact by itself
	}
}
