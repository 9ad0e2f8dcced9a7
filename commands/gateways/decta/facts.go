package decta

import (
	"slices"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// factsBeside is how many facts a body means besides those of its history:
// the payment, its totals, those of refunds and disputes, the settlement.
const factsBeside = 5

// paymentFacts are the facts of an order that collects money: its history in
// the gate's order, with the payment's totals where the history first speaks
// of money, then the counters of refunds and disputes.
func (r *reading) paymentFacts() {
	r.out.Facts = slices.Grow(r.out.Facts, len(r.history)+factsBeside)
	attempts := 0
	triedAt, tried := r.tried()
	if tried && r.total != nil {
		r.add(order.PaymentSeen{
			At:      order.At{Key: r.key, OccurredAt: triedAt, Basis: order.BasisStatusChange},
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
			if r.root.Get("status_changes").Present() { // a status alone does not tell how many came before
				attempts++
			}
			r.add(order.Processing{At: at, Payment: r.payment(), Attempt: attempts})
		case statusFailed:
			r.add(order.Failed{
				At: at, Payment: r.payment(), Attempt: attempts, ReasonCode: r.failureCode(e), Phase: phaseProcessing,
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
	if tried {
		r.settlement()
	}
}

// tried tells whether anybody has tried to pay, and when first, as far as the
// body tells.
func (r *reading) tried() (at time.Time, tried bool) {
	for _, e := range r.history {
		if isTry(e.status) {
			return e.at, true
		}
	}
	return r.modified, !r.captured.IsZero() || (!r.paid.IsZero() && !r.has(statusReceived))
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
		r.add(order.ReversalRefused{At: at, Payment: r.payment(), Phase: r.phase(e)})
	default:
		r.otherFact(e, at)
	}
}

func (r *reading) otherFact(e entry, at order.At) {
	if stage, ok := stageOf(e.status); ok {
		r.add(order.DisputeStage{
			At: at, Payment: r.payment(), Stage: stage, ReasonCode: r.reasonCode(), ARN: r.code(r.details.Get("arn")),
		})
		return
	}
	if _, ok := refundStepOf(e.status); ok {
		return // told by RefundTotals
	}
	r.add(order.StatusObserved{At: at, Recognised: recognised(e.status)})
}

func (r *reading) holds() bool { return r.has(statusHold) || !r.captured.IsZero() }

// totalsOnce adds the totals unless they stand among the facts already.
func (r *reading) totalsOnce() {
	if !r.told {
		r.told = true
		r.totals()
	}
}

// totals reports what was held, captured and taken back of the payment so far.
// A body that does not tell the order's total leaves it to the ledger.
func (r *reading) totals() {
	captured, implied := r.has(statusPaid) || r.has(statusWithdrawn) || !r.captured.IsZero() ||
		(!r.paid.IsZero() && !r.has(statusReceived)), false
	for _, e := range r.history {
		if !captured && presupposesCapture(e.status) {
			captured, implied = true, true
		}
	}
	hold, reversed := r.first(statusHold), r.first(statusReversed)
	f := order.Totals{
		At:      order.At{Key: r.key, OccurredAt: r.modified, Basis: order.BasisSourceField, Status: r.out.Status},
		Payment: r.payment(), Held: r.holds(), HeldAt: hold.at,
		Captured: captured, CaptureImplied: implied, Method: r.method(), Scheme: r.scheme(), ARN: r.code(r.details.Get("arn")),
		TakenBack: r.counter("amount_reversed"), ReversalReported: reversed.status != "",
		ReversedAt: reversed.at, ReversedStatus: reversed.verbatim,
	}
	for _, at := range []time.Time{r.paid, r.captured, r.first(statusPaid).at, r.first(statusWithdrawn).at} {
		if f.CapturedAt.IsZero() {
			f.CapturedAt = at
		}
	}
	if f.Held && f.HeldAt.IsZero() {
		f.HeldAt = f.CapturedAt
	}
	for _, status := range []string{statusHold, statusPaid} {
		if e := r.first(status); e.status != "" {
			f.Status = e.verbatim
		}
	}
	if r.total != nil {
		f.Total = *r.total
	}
	r.add(f)
}

func (r *reading) method() string { return r.label(r.details.Get("method")) }

func (r *reading) scheme() string { return r.label(r.details.Get("payment_system")) }

// refunds reports the refund counters and the refund statuses.
func (r *reading) refunds() {
	f := order.RefundTotals{
		At:      order.At{Key: r.key, OccurredAt: r.modified, Basis: order.BasisSourceField, Status: r.out.Status},
		Payment: r.payment(), Refunded: r.counter("amount_refunded"), RefundReversed: r.counter("amount_refund_reversal"),
		Pending: r.counter("amount_refund_initial"), ModifiedAt: r.modified,
	}
	for _, e := range r.history {
		if step, ok := refundStepOf(e.status); ok {
			f.Steps = append(f.Steps, order.RefundStepAt{At: r.factAt(e), Step: step, Phase: r.phase(e)})
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
		At:      order.At{Key: r.key, OccurredAt: r.modified, Basis: order.BasisSourceField, Status: r.out.Status},
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
	if at.IsZero() || r.has(statusReceived) {
		return
	}
	r.add(order.Settled{
		At:      order.At{Key: r.key + ":settled", OccurredAt: at, Basis: order.BasisSourceField, Status: r.out.Status},
		Payment: r.payment(),
	})
}

func positive(m *money.Money) bool { return m != nil && m.IsPositive() }

// failureCode is the processing's code. It is about the newest attempt, so it
// explains a failure only while no other attempt followed.
func (r *reading) failureCode(e entry) string {
	if !r.isLastAttempt(e) {
		return ""
	}
	if code := r.code(r.details.Get("processing_status", "code")); code != "" {
		return code
	}
	code := ""
	for item := range r.details.Get("errors").Elements() {
		if told := r.code(item.Get("code")); told != "" {
			code = told
		}
	}
	return code
}

// phases of an operation that did not succeed.
const (
	phaseInit       = "init"       // it was never accepted
	phaseProcessing = "processing" // it was accepted and failed later
)

// phase tells how far a failed operation came. Only the event's name tells,
// which is a hint about the newest status.
func (r *reading) phase(e entry) string {
	name, _ := r.root.First("event_type", "event", "_event").Text()
	if r.isNewest(e) && strings.Contains(strings.ReplaceAll(name, " ", ""), "init_failure") {
		return phaseInit
	}
	return phaseProcessing
}

// reasonCode is the dispute's reason in its scheme's name space, the number as
// the gate wrote it: 13.10 is not 13.1.
func (r *reading) reasonCode() string {
	code := r.code(r.details.Get("chargebacks_reason_code"))
	if strings.Trim(code, "0.") == "" { // "none" where the gate has nothing but numbers
		return ""
	}
	switch normalise(r.scheme()) {
	case "visa":
		return "visa:" + code
	case "mastercard", "master_card", "mc", "maestro":
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
			At:     order.At{Key: r.key + ":payout", OccurredAt: r.out.Registration.OccurredAt, Basis: order.BasisSourceField},
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
			r.add(order.StatusObserved{At: f.At, Recognised: recognised(e.status)})
			continue
		}
		r.add(f)
	}
}
