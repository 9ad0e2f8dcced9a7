package decta

import (
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// paymentFacts are the facts of an order that collects money: its history in
// the gate's order, with the payment's totals where the history first speaks
// of money, then the counters of refunds and disputes.
func (r *reading) paymentFacts() {
	attempts := 0
	tried := r.tried()
	if tried && r.total != nil {
		r.add(order.PaymentSeen{
			At:      order.At{Key: r.key(), OccurredAt: r.triedAt(), Basis: order.BasisStatusChange},
			Payment: r.payment(), Amount: r.total, Method: r.method(), Version: r.out.Registration.Version,
		})
	}
	totals := func() {
		if tried {
			r.totalsOnce()
		}
	}
	paid := 0
	for _, e := range r.history {
		at := r.factAt(e)
		switch e.status {
		case statusHold, statusReversed:
			totals()
		case statusPaid, statusWithdrawn:
			totals()
			if paid++; paid > 1 || e.status == statusWithdrawn {
				r.add(order.StatusObserved{At: at, Recognised: true})
			}
		case statusInProgress:
			attempts++
			r.add(order.Processing{At: at, Payment: r.payment(), Attempt: attempts})
		case statusFailed:
			r.add(order.Failed{
				At: at, Payment: r.payment(), Attempt: attempts, ReasonCode: r.failureCode(e), Phase: "processing",
			})
		default:
			if presupposesCapture(e.status) {
				totals()
			}
			r.historyFact(e, at)
		}
	}
	totals()
	r.refunds()
	r.disputes()
	r.settlement()
}

// tried tells whether anybody has tried to pay.
func (r *reading) tried() bool {
	for _, e := range r.history {
		if !beforePayment(e.status) && !r.unknown(e.status) {
			return true
		}
	}
	return r.root.Get("captured").Present() || (r.root.Get("paid").Present() && !r.has(statusReceived))
}

// triedAt is when somebody first tried to pay, as far as the history tells.
func (r *reading) triedAt() time.Time {
	for _, e := range r.history {
		if !beforePayment(e.status) && !r.unknown(e.status) {
			return e.at
		}
	}
	return r.modified
}

// historyFact translates the statuses that need nothing but themselves.
func (r *reading) historyFact(e entry, at order.At) {
	switch e.status {
	case statusIssued:
		r.add(order.Issued{At: at, SourceOrderID: r.id})
	case statusViewed:
		r.add(order.Viewed{At: at})
	case statusOverdue:
		r.add(order.Overdue{At: at, DueAt: r.out.Registration.DueAt})
	case statusExpired:
		r.add(order.Expired{At: at, DueAt: r.out.Registration.DueAt})
	case statusCancelled:
		if r.holds() { // the hold must be known before it can end
			r.totalsOnce()
		}
		r.add(order.Cancelled{At: at, SourceOrderID: r.id, MaxAttempts: r.out.Registration.MaxAttempts})
	case statusRejected:
		r.add(order.Rejected{At: at})
	case statusReceived:
		r.add(order.PaidOutside{At: at})
	case statusReversalInitiated:
		r.add(order.ReversalStarted{At: at, Payment: r.payment()})
	case statusReversalFailed:
		r.add(order.ReversalRefused{At: at, Payment: r.payment(), Phase: r.phase()})
	default:
		r.otherFact(e, at)
	}
}

func (r *reading) otherFact(e entry, at order.At) {
	if stage, ok := stageOf(e.status); ok {
		r.add(order.DisputeStage{
			At: at, Payment: r.payment(), Stage: stage, ReasonCode: r.reasonCode(), ARN: r.label(r.details.Get("arn")),
		})
		return
	}
	if _, ok := refundStepOf(e.status); ok {
		return // told by RefundTotals
	}
	r.add(order.StatusObserved{At: at, Recognised: !r.unknown(e.status)})
}

func (r *reading) unknown(status string) bool {
	switch status {
	case statusDraft, statusTest, statusCreated, statusIssued, statusViewed, statusInProgress, statusFailed, statusHold, statusPaid,
		statusOverdue, statusExpired, statusCancelled, statusRejected, statusReceived, statusReversalInitiated,
		statusReversed, statusReversalFailed, statusWithdrawn:
		return false
	}
	_, isStage := stageOf(status)
	_, isRefund := refundStepOf(status)
	return !isStage && !isRefund
}

// key is the identity of the payment's totals, counters and times.
func (r *reading) key() string { return gateway + ":" + r.id }

func (r *reading) holds() bool { return r.has(statusHold) || r.root.Get("captured").Present() }

// totalsOnce adds the totals unless they stand among the facts already.
func (r *reading) totalsOnce() {
	for _, f := range r.out.Facts {
		if _, done := f.(order.Totals); done {
			return
		}
	}
	r.totals()
}

// totals reports what was held, captured and taken back of the payment so far.
func (r *reading) totals() {
	paidAt, capturedAt := r.time("paid"), r.time("captured")
	captured := r.has(statusPaid) || r.has(statusWithdrawn) || !capturedAt.IsZero() ||
		(!paidAt.IsZero() && !r.has(statusReceived))
	implied := false
	for _, e := range r.history {
		if !captured && presupposesCapture(e.status) {
			captured, implied = true, true
		}
	}
	if paidAt.IsZero() {
		paidAt = capturedAt
	}
	if paidAt.IsZero() {
		paidAt = r.first(statusPaid).at
	}
	at := order.At{Key: r.key(), OccurredAt: r.modified, Basis: order.BasisSourceField, Status: r.out.Status}
	if r.total == nil {
		if captured {
			at.Key += ":captured"
			r.add(order.Captured{At: at, Payment: r.payment(), Method: r.method(), Scheme: r.scheme(), Implied: implied})
		}
		return
	}
	if e := r.first(statusPaid); e.status != "" {
		at.Status = e.verbatim
	} else if e := r.first(statusHold); e.status != "" {
		at.Status = e.verbatim
	}
	r.add(order.Totals{
		At: at, Payment: r.payment(), Total: *r.total, Held: r.holds(), HeldAt: r.first(statusHold).at,
		Captured: captured, CapturedAt: paidAt, CaptureImplied: implied,
		Method: r.method(), Scheme: r.scheme(), ARN: r.label(r.details.Get("arn")),
		TakenBack: r.counter("amount_reversed"), ReversalReported: r.has(statusReversed), ReversedAt: r.first(statusReversed).at,
	})
}

func (r *reading) method() string { return r.label(r.details.Get("method")) }

func (r *reading) scheme() string { return r.label(r.details.Get("payment_system")) }

// refunds reports the refund counters and the refund statuses.
func (r *reading) refunds() {
	f := order.RefundTotals{
		At:      order.At{Key: r.key(), OccurredAt: r.modified, Basis: order.BasisSourceField, Status: r.out.Status},
		Payment: r.payment(), Refunded: r.counter("amount_refunded"), RefundReversed: r.counter("amount_refund_reversal"),
		Pending: r.counter("amount_refund_initial"), ModifiedAt: r.modified,
	}
	for _, e := range r.history {
		if step, ok := refundStepOf(e.status); ok {
			f.Steps = append(f.Steps, order.RefundStepAt{At: r.factAt(e), Step: step, Phase: r.phase()})
		}
	}
	counted := (f.Refunded != nil || f.RefundReversed != nil) && r.has(statusPaid)
	if len(f.Steps) > 0 || counted || positive(f.Refunded) || positive(f.RefundReversed) {
		r.add(f)
	}
}

// disputes reports the counters of disputed money and the chargebacks that may
// have moved some.
func (r *reading) disputes() {
	f := order.DisputeTotals{
		At:      order.At{Key: r.key(), OccurredAt: r.modified, Basis: order.BasisSourceField, Status: r.out.Status},
		Payment: r.payment(), Withdrawn: r.looseCounter("chargebacks"), Returned: r.looseCounter("chargebacks_reversed"),
		ModifiedAt: r.modified,
	}
	disputed := false
	for _, e := range r.history {
		if stage, ok := stageOf(e.status); ok {
			disputed = disputed || stage != order.StageFraudAdvice
		}
		switch e.status {
		case statusChargeback:
			f.Chargebacks = append(f.Chargebacks, r.factAt(e))
		case statusPaid:
			f.PaidAgain = f.PaidAgain || disputed
		}
	}
	if disputed || positive(f.Withdrawn) || positive(f.Returned) || (f.Withdrawn != nil && r.has(statusPaid)) {
		r.add(f)
	}
}

// settlement reports that the money arrived, once the gate tells when.
func (r *reading) settlement() {
	at := r.timeOf(r.details.Get("settled"))
	if at.IsZero() {
		at = r.timeOf(r.details.Get("cleared"))
	}
	if at.IsZero() || !r.tried() || r.has(statusReceived) {
		return
	}
	r.add(order.Settled{
		At:      order.At{Key: r.key() + ":settled", OccurredAt: at, Basis: order.BasisSourceField, Status: r.out.Status},
		Payment: r.payment(),
	})
}

func positive(m *money.Money) bool { return m != nil && m.IsPositive() }

// failureCode is the processing's code, which belongs to the newest failure.
func (r *reading) failureCode(e entry) string {
	last := entry{}
	for _, known := range r.history {
		if known.status == statusFailed {
			last = known
		}
	}
	if e != last {
		return ""
	}
	return r.label(r.details.Get("processing_status", "code"))
}

// phase tells an operation that was never accepted from one that failed later.
// Only the event's name tells; it is a hint.
func (r *reading) phase() string {
	name, _ := r.root.First("event_type", "event").Text()
	if strings.Contains(strings.ReplaceAll(name, " ", ""), "init_failure") {
		return "init"
	}
	return "processing"
}

// reasonCode is the dispute's reason in its scheme's name space, the number as
// the gate wrote it: 13.10 is not 13.1.
func (r *reading) reasonCode() string {
	code := r.label(r.details.Get("chargebacks_reason_code"))
	if code == "" || code == "0" {
		return ""
	}
	switch scheme := normalise(r.scheme()); scheme {
	case "visa":
		return "visa:" + code
	case "mastercard", "mc", "maestro":
		return "mc:" + code
	case "amex", "american_express":
		return "amex:" + code
	case "discover", "diners":
		return "disc:" + code
	}
	return "source:" + code
}

// payoutFacts are the facts of an order that sends money out.
func (r *reading) payoutFacts() {
	if !r.has(statusCreated) {
		r.add(order.PayoutReported{
			At:     order.At{Key: r.key() + ":payout", OccurredAt: r.out.Registration.OccurredAt, Basis: order.BasisSourceField},
			Status: order.PayoutStateRequested, Amount: r.total,
		})
	}
	for _, e := range r.history {
		f := order.PayoutReported{At: r.factAt(e), Amount: r.total}
		switch e.status {
		case statusCreated:
			f.Status = order.PayoutStateRequested
		case statusInProgress:
			f.Status = order.PayoutStateProcessing
		case statusPaid:
			f.Status = order.PayoutStatePaid
		case statusFailed:
			f.Status, f.ReasonCode = order.PayoutStateFailed, r.failureCode(e)
		case statusCancelled, statusExpired:
			f.Status = order.PayoutStateCancelled
		case statusReversed:
			f.Status = order.PayoutStateReversed
		default:
			r.add(order.StatusObserved{At: f.At, Recognised: !r.unknown(e.status)})
			continue
		}
		r.add(f)
	}
}
