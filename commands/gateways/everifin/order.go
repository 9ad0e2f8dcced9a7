package everifin

import (
	"strconv"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/commands/gateways/wire"
	"github.com/order-ledger/order-ledger/domain/order"
)

// Statuses of orders.
const (
	orderUnpaid        = "UNPAID"
	orderPartiallyPaid = "PARTIALLY_PAID"
	orderPaid          = "PAID"
)

func isOrderStatus(status string) bool {
	switch status {
	case orderUnpaid, orderPartiallyPaid, orderPaid:
		return true
	}
	return false
}

// order reads a body about an order: its amount, its payments and refunds, its status.
func (r *reading) order(verbatim, status string) {
	if strings.HasPrefix(r.eventType, eventPrefixPayment) {
		r.anomaly(order.FlagMalformedBody, "data", "the webhook is about a payment and names neither payment nor refund")
		return
	}
	created := r.time(r.data.Get("createdAt"))
	reg := &r.out.Registration
	reg.AmountDue = r.amount(r.data)
	reg.RefundLimitPercent = percentage(r.data.Get("refundLimitPercentage"))
	if !created.IsZero() {
		reg.OccurredAt, reg.Basis = created, order.BasisSourceField
	}
	progress := r.parts(status)
	reg.Version = order.Version{IssuedAt: created, Progress: progress}
	switch {
	case status != "":
		r.orderStatus(verbatim, status, created, progress)
	case r.hook:
		r.anomaly(order.FlagMalformedBody, "data.status", "the webhook has no status")
	}
}

// parts reads the payments and refunds of an order and returns how far they are in all: the more
// there are and the further they are, the newer is the body.
func (r *reading) parts(status string) (progress int64) {
	for v := range r.data.Get("payments").Elements() {
		id, ok := r.partID(v, "paymentId")
		if ok {
			progress += r.payment(v, id)
		}
	}
	for v := range r.data.Get("refunds").Elements() {
		id, ok := r.partID(v, "refundId")
		if ok {
			progress += r.refund(v, id, r.paymentOf(v))
		}
	}
	if !r.data.Get("payments").Present() {
		progress += r.processable(status)
	}
	return progress
}

// partID reads the id of a payment or refund in an order. What has none cannot be told from
// others, so it is flagged and not counted.
func (r *reading) partID(v wire.Value, other string) (string, bool) {
	id, err := v.First("id", other).ID()
	switch {
	case err != nil:
		r.anomaly(order.FlagMalformedBody, v.Path(), err.Error())
	case id == "":
		r.anomaly(order.FlagMalformedBody, v.Path(), "member "+v.Path()+" has no id")
	}
	return id, err == nil && id != ""
}

// paymentOf reads which payment a refund of an order gives back, if told.
func (r *reading) paymentOf(v wire.Value) *order.PaymentRef {
	id, err := v.Get("paymentId").ID()
	if err != nil || id == "" {
		return nil
	}
	return &order.PaymentRef{SourceID: id, SourceOrderID: r.orderID}
}

// processable reads the payment that an order was made or changed with, of which the answer tells
// the id alone. While nothing is paid, that payment asks for the whole order.
func (r *reading) processable(status string) (progress int64) {
	id, err := r.data.Get("processablePaymentId").ID()
	if err != nil || id == "" {
		return 0
	}
	seen := order.PaymentSeen{
		At: r.introduced(id), Payment: order.PaymentRef{SourceID: id, SourceOrderID: r.orderID},
	}
	if status == orderUnpaid {
		// No version: whatever the payment's own body tells is newer.
		seen.Amount = r.out.Registration.AmountDue
	}
	r.out.SourcePaymentIDs = append(r.out.SourcePaymentIDs, id)
	r.add(seen)
	return 1
}

// orderStatus reports the gateway's status of the order. An order may come back to a status, so
// the key of a hook's has its time, and the key of a body's has the progress of the order.
func (r *reading) orderStatus(verbatim, status string, created time.Time, progress int64) {
	at := order.At{Key: gateway + ":" + r.orderID + ":order:" + status, Status: verbatim, Basis: order.BasisReceived}
	switch {
	case !r.eventAt.IsZero():
		at.Key += ":" + r.eventAt.Format(time.RFC3339Nano)
		at.OccurredAt, at.Basis = r.eventAt, order.BasisSourceEvent
	case status == orderUnpaid && !created.IsZero(): // an order starts with it and never returns to it
		at.Key += ":" + strconv.FormatInt(progress, 10)
		at.OccurredAt, at.Basis = created, order.BasisSourceField
	default:
		at.Key += ":" + strconv.FormatInt(progress, 10)
		if !r.newest.IsZero() { // the body was written then or later
			at.OccurredAt, at.Basis = r.newest, order.BasisSourceField
		}
	}
	if isOrderStatus(status) {
		r.add(order.OrderStatusObserved{At: at, SourceOrderID: r.orderID})
		return
	}
	r.add(order.StatusObserved{At: at})
}

// percentage returns the text of a percentage; "" for anything that is none.
func percentage(v wire.Value) string {
	const bytesMax = 12 // too short for a card number
	text, err := v.Label()
	if err != nil || len(text) > bytesMax || strings.Trim(text, "0123456789.") != "" {
		return ""
	}
	return text
}
