package connectpay

import (
	"strings"

	"github.com/order-ledger/order-ledger/commands/gateways/wire"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// status is a status of a payment as the documents spell it.
type status string

// The twelve statuses. PartialyRefunded is the documents' spelling.
const (
	statusInitiated        status = "Initiated"
	statusPendingMerchant  status = "PendingMerchant"
	statusInProgress       status = "InProgress"
	statusProcessing       status = "Processing"
	statusPendingProvider  status = "PendingProvider"
	statusApproved         status = "Approved"
	statusSettled          status = "Settled"
	statusFailed           status = "Failed"
	statusAbandoned        status = "Abandoned"
	statusRefunded         status = "Refunded"
	statusPendingRefund    status = "PendingRefund"
	statusPartialyRefunded status = "PartialyRefunded"
)

// parseStatus recognises a status in any spelling of its letters; "" for any other word.
func parseStatus(text string) status {
	switch normalise(text) {
	case "initiated":
		return statusInitiated
	case "pendingmerchant":
		return statusPendingMerchant
	case "inprogress":
		return statusInProgress
	case "processing":
		return statusProcessing
	case "pendingprovider":
		return statusPendingProvider
	case "approved":
		return statusApproved
	case "settled":
		return statusSettled
	case "failed":
		return statusFailed
	case "abandoned":
		return statusAbandoned
	case "refunded":
		return statusRefunded
	case "pendingrefund":
		return statusPendingRefund
	case "partialyrefunded", "partiallyrefunded":
		return statusPartialyRefunded
	}
	return ""
}

// normalise drops case and whatever separates words.
func normalise(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == ' ' || c == '_' || c == '-' || c == '\t':
			return -1
		case 'A' <= c && c <= 'Z':
			return c + 'a' - 'A'
		}
		return c
	}, text)
}

// status reads status.code: verbatim, and as the documents spell it.
func (r *reading) status() (verbatim string, known status) {
	v := r.root.Get("status")
	if v.Kind() == wire.Object {
		v = v.Get("code")
	}
	text, err := v.Label()
	if err != nil {
		r.anomaly(order.FlagMalformedBody, v.Path(), err.Error())
		return "", ""
	}
	if strings.TrimSpace(text) == "" {
		return "", ""
	}
	known = parseStatus(text)
	return r.found.Text(clip(text)), known
}

// introduce says that the payment is there, and what is asked for.
func (r *reading) introduce(known status, amount *money.Money) {
	seen := order.PaymentSeen{At: r.at, Payment: r.payment, Amount: amount, Method: r.method()}
	if known != statusInitiated {
		seen.Key, seen.Status = r.key("introduced"), ""
	}
	r.add(seen)
}

// report says what the status means.
func (r *reading) report(known status, amount *money.Money) {
	payment := r.payment // a copy: facts outlive the body that r refers to
	switch known {
	case statusInitiated: // the introduction says it all
	case statusPendingMerchant:
		r.add(order.StatusObserved{At: r.at, Payment: &payment, Recognised: true})
	case statusInProgress:
		r.add(order.Viewed{At: r.at, Payment: &payment})
	case statusProcessing:
		r.add(order.Processing{At: r.at, Payment: r.payment})
	case statusPendingProvider:
		r.add(order.PendingAtProvider{At: r.at, Payment: r.payment})
	case statusApproved:
		r.refundMayHaveFailed() // first: a capture only implied so far is named by this body
		r.add(order.Captured{At: r.at, Payment: r.payment, Amount: amount, Method: r.method()})
	case statusSettled:
		r.refundMayHaveFailed()
		r.add(order.Settled{At: r.at, Payment: r.payment, Amount: amount})
	case statusFailed:
		r.add(order.Failed{At: r.at, Payment: r.payment, ReasonCode: r.reason(), Final: true})
	case statusAbandoned:
		r.add(order.Abandoned{At: r.at, Payment: r.payment, ReasonCode: r.reason()})
	case statusPendingRefund:
		r.captureImplied(amount)
		r.add(order.RefundWord{At: r.at, Payment: r.payment, Step: order.RefundStepInitiated})
	case statusPartialyRefunded:
		r.captureImplied(amount)
		r.add(order.RefundWord{At: r.at, Payment: r.payment, Step: order.RefundStepCompleted, Partial: true})
	case statusRefunded:
		r.captureImplied(amount)
		r.add(order.RefundWord{At: r.at, Payment: r.payment, Step: order.RefundStepCompleted})
	default:
		r.add(order.StatusObserved{At: r.at, Payment: &payment})
	}
}

// refundMayHaveFailed reports that a payment is back at what it was before a refund, if one is under
// way. The same status may come back after every failed refund, so each body is a fact of its own.
func (r *reading) refundMayHaveFailed() {
	at := r.at
	at.Key += ":refund_failed:" + r.bodyDigest()
	r.add(order.RefundWord{At: at, Payment: r.payment, Step: order.RefundStepFailed})
}

// captureImplied reports the capture without which there would be nothing to refund.
func (r *reading) captureImplied(amount *money.Money) {
	at := r.at
	at.Key = r.key("captured")
	r.add(order.Captured{At: at, Payment: r.payment, Amount: amount, Method: r.method(), Implied: true})
}

// method reads how the payment is made; "" while several ways are still open.
func (r *reading) method() string {
	v := r.root.Get("payment", "paymentMethod")
	if v.Kind() == wire.Array {
		var only wire.Value
		for element := range v.Elements() {
			if only.Present() {
				return ""
			}
			only = element
		}
		v = only
	}
	text, err := v.Text()
	if err != nil || len(text) > textBytesMax {
		return ""
	}
	if text = r.found.Text(text); !isWord(text) {
		return ""
	}
	switch strings.ToLower(text) {
	case "pis":
		return "PIS"
	case "card":
		return "CARD"
	case "applepay", "apple_pay":
		return "ApplePay"
	case "googlepay", "google_pay":
		return "GooglePay"
	}
	return text
}

// reason reads why a payment ended from status.description, if that is one of the few codes that
// say nothing about the payer. Any other text is not kept.
func (r *reading) reason() string {
	text, err := r.root.Get("status", "description").Text()
	if err != nil || len(text) > textBytesMax {
		return ""
	}
	switch code := normalise(text); code {
	case "declined", "expired", "rejected", "timeout":
		return code
	case "cancelled", "canceled":
		return "cancelled"
	case "sessionexpired":
		return "session_expired"
	case "insufficientfunds":
		return "insufficient_funds"
	}
	return ""
}

// clip bounds a text that is kept verbatim, at the end of a character.
func clip(text string) string {
	if len(text) <= textBytesMax {
		return text
	}
	return strings.ToValidUTF8(text[:textBytesMax], "")
}

// isWord tells whether a text is one word of ASCII letters, digits and underscores.
func isWord(text string) bool {
	for _, c := range []byte(text) {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_':
		default:
			return false
		}
	}
	return text != ""
}
