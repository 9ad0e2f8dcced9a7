package everifin

import (
	"time"

	"github.com/order-ledger/order-ledger/commands/gateways/wire"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// Statuses of payments; refunds go through the same.
const (
	statusCreated           = "CREATED"
	statusSeen              = "SEEN"
	statusProcessing        = "PROCESSING"
	statusConfirmed         = "CONFIRMED"
	statusBooked            = "BOOKED"
	statusWithdrawn         = "WITHDRAWN"
	statusFailed            = "FAILED"
	statusExpired           = "EXPIRED"
	statusProcessingExpired = "PROCESSING_EXPIRED"
)

// rankOf tells how far along a status is; 0 for a word that the documents do not know. Money may
// still be booked after a payment was lost sight of, or even failed, so BOOKED is the last.
func rankOf(status string) int64 {
	switch status {
	case statusCreated:
		return 1
	case statusSeen:
		return 2
	case statusProcessing:
		return 3
	case statusConfirmed:
		return 4
	case statusProcessingExpired:
		return 5
	case statusWithdrawn, statusFailed, statusExpired:
		return 6
	case statusBooked:
		return 7
	}
	return 0
}

// part is a payment or refund as one body tells of it.
type part struct {
	id                                string
	verbatim, status                  string
	createdAt, confirmedAt, finalized time.Time
}

// progress is what the part adds to the version of its order: being there counts even if nobody
// knows the status.
func (p *part) progress() int64 { return max(1, rankOf(p.status)) }

func (r *reading) part(v wire.Value, id string) part {
	p := part{
		id: id, createdAt: r.time(v.Get("createdAt")),
		confirmedAt: r.time(v.Get("confirmedAt")), finalized: r.time(v.Get("finalizedAt")),
	}
	p.verbatim, p.status = r.status(v.Get("status"))
	switch kind := v.Get("status").Kind(); {
	case p.status == "" && (kind <= wire.Null || kind == wire.String):
		r.anomaly(order.FlagMalformedBody, v.Path()+".status", "a payment or refund of the body has no status")
	}
	for _, at := range [...]time.Time{p.createdAt, p.confirmedAt, p.finalized} {
		if at.After(r.newest) {
			r.newest = at
		}
	}
	return p
}

// at is the moment of the part's status: the time that the gateway keeps for it, else that of the
// hook, else that of the creation, else unknown.
func (r *reading) at(p *part) order.At {
	at := order.At{Key: gateway + ":" + p.id + ":" + p.status, Status: p.verbatim}
	if rankOf(p.status) == 0 {
		at.Key = gateway + ":" + p.id + ":unrecognised:" + p.status
	}
	var kept time.Time
	switch p.status {
	case statusConfirmed:
		kept = p.confirmedAt
	case statusBooked, statusWithdrawn, statusFailed, statusExpired, statusProcessingExpired:
		kept = p.finalized
	}
	switch {
	case !kept.IsZero():
		at.OccurredAt, at.Basis = kept, order.BasisSourceField
	case !r.eventAt.IsZero():
		at.OccurredAt, at.Basis = r.eventAt, order.BasisSourceEvent
	case !p.createdAt.IsZero():
		at.OccurredAt, at.Basis = p.createdAt, order.BasisSourceField
	default:
		at.Basis = order.BasisReceived
	}
	return at
}

// singlePayment reads a body about one payment.
func (r *reading) singlePayment(n ids) {
	id := n.paymentID
	if id == "" {
		id = n.id
	}
	r.payment(r.data, id)
}

// payment reads a payment: that it is there, what is asked for, and what its status means. It
// returns how far it is.
func (r *reading) payment(v wire.Value, id string) (progress int64) {
	p := r.part(v, id)
	at, ref := r.at(&p), order.PaymentRef{SourceID: id, SourceOrderID: r.orderID}
	amount := r.amount(v)
	r.out.SourcePaymentIDs = append(r.out.SourcePaymentIDs, id)

	seen := order.PaymentSeen{
		At:      order.At{Key: gateway + ":" + id + ":introduced", OccurredAt: at.OccurredAt, Basis: at.Basis},
		Payment: ref, Amount: amount,
	}
	if !p.createdAt.IsZero() {
		seen.OccurredAt, seen.Basis = p.createdAt, order.BasisSourceField
	}
	if amount != nil { // it can change until the payment is under way
		seen.Version.Progress = p.progress()
	}
	if p.status == statusCreated {
		seen.At = at
	}
	r.add(seen)
	if rankOf(p.status) > rankOf(statusConfirmed) && !p.confirmedAt.IsZero() {
		// The body is the last word about a payment that was confirmed on its way.
		r.add(order.Confirmed{
			At: order.At{
				Key: gateway + ":" + id + ":" + statusConfirmed, OccurredAt: p.confirmedAt,
				Basis: order.BasisSourceField, Status: statusConfirmed,
			},
			Payment: ref, Amount: amount,
		})
	}
	r.paymentStatus(v, &p, at, ref, amount)
	return p.progress()
}

// paymentStatus reports what the status of a payment means.
func (r *reading) paymentStatus(v wire.Value, p *part, at order.At, ref order.PaymentRef, amount *money.Money) {
	code, group := r.reason(v.Get("reasonCode"))
	switch p.status {
	case "", statusCreated:
	case statusSeen:
		r.add(order.Viewed{At: at, Payment: &ref})
	case statusProcessing:
		r.add(order.Processing{At: at, Payment: ref})
	case statusConfirmed:
		r.add(order.Confirmed{At: at, Payment: ref, Amount: amount})
	case statusBooked:
		r.add(order.Captured{At: at, Payment: ref, Amount: amount})
		r.add(order.Settled{At: at, Payment: ref, Amount: amount})
	case statusWithdrawn:
		r.add(order.Withdrawn{At: at, Payment: ref, ReasonCode: code})
	case statusFailed:
		r.add(order.Failed{At: at, Payment: ref, ReasonCode: code, ReasonGroup: group, Final: true})
	case statusExpired:
		r.add(order.PaymentLapsed{At: at, Payment: ref, ReasonCode: code})
	case statusProcessingExpired:
		r.add(order.OutcomeUnknown{At: at, Payment: ref})
	default:
		r.add(order.StatusObserved{At: at, Payment: &ref})
	}
}

// singleRefund reads a body about one refund.
func (r *reading) singleRefund(n ids) {
	if n.orderID == "" && n.externalID == "" && n.paymentID == "" {
		r.reject(order.FlagUnknownOrder, "the refund names no order; it is told again by the order's body and by webhooks")
		return
	}
	id := n.refundID
	if id == "" {
		id = n.id
	}
	var of *order.PaymentRef
	if n.paymentID != "" {
		r.out.SourcePaymentIDs = append(r.out.SourcePaymentIDs, n.paymentID)
		of = &order.PaymentRef{SourceID: n.paymentID, SourceOrderID: r.orderID}
		r.add(order.PaymentSeen{At: r.introduced(n.paymentID), Payment: *of})
	}
	r.refund(r.data, id, of)
}

// introduced is the moment at which a payment became known of which the body tells the id alone.
func (r *reading) introduced(id string) order.At {
	at := order.At{Key: gateway + ":" + id + ":introduced", Basis: order.BasisReceived}
	if reg := &r.out.Registration; !reg.OccurredAt.IsZero() {
		at.OccurredAt, at.Basis = reg.OccurredAt, reg.Basis
	}
	return at
}

// refund reads a refund; of is the payment that it gives back, if told. It returns how far it is.
func (r *reading) refund(v wire.Value, id string, of *order.PaymentRef) (progress int64) {
	p := r.part(v, id)
	f := order.RefundReported{At: r.at(&p), SourceRefundID: id, Payment: of, Amount: r.amount(v)}
	code, _ := r.reason(v.Get("reasonCode"))
	switch p.status {
	case "":
		return p.progress()
	case statusCreated, statusSeen, statusProcessing, statusConfirmed:
		// The refund is announced by whichever of them is told first.
		f.Key, f.Step = gateway+":"+id+":INITIATED", order.RefundStepInitiated
	case statusBooked:
		f.Step = order.RefundStepCompleted
	case statusFailed, statusExpired, statusWithdrawn:
		f.Step, f.ReasonCode = order.RefundStepFailed, code
	case statusProcessingExpired:
		f.Step = order.RefundStepUnknown
	default:
		r.add(order.StatusObserved{At: f.At})
		return p.progress()
	}
	r.add(f)
	return p.progress()
}
