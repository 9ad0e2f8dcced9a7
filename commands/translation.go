// Package commands holds the use cases of the write side: taking in what
// gateways report and, order by order, what people ask for. It needs the event
// store and nothing else; no database can stop it.
package commands

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/order-ledger/order-ledger/domain/order"
)

// Via tells by which door a notification came.
type Via string

// Doors.
const (
	ViaWebhook        Via = "webhook"
	ViaImport         Via = "import"
	ViaReconciliation Via = "reconciliation"
)

// Notification is one body of a gateway as it was received: a webhook's, or
// the answer to a GET. Its sender has been verified.
type Notification struct {
	Gateway string
	Account string
	Via     Via
	// Header holds the HTTP header of a webhook; nil for imports.
	Header http.Header
	// Body is the raw body; translators MUST NOT change or keep it.
	Body       []byte
	ReceivedAt time.Time // UTC
	// Verified names the strategy that accepted the sender.
	Verified string
}

// Translator turns one gateway's bodies into neutral facts. It is pure: the
// same notification gives the same translation. It never fails: what it cannot
// make sense of is said in Rejection.
type Translator interface {
	// Gateway is the gateway's name: decta, everifin, connectpay.
	Gateway() string
	// Version names the translation's rules; it is stored with every event.
	Version() string
	Translate(n Notification) Translation
}

// Translation is what a notification means.
type Translation struct {
	// SourceOrderID and SourcePaymentIDs are the gateway's own ids by which
	// the order is found; empty where the body has none.
	SourceOrderID    string
	SourcePaymentIDs []string
	// MerchantReferences are the merchant's names for the order, best first;
	// a new order takes the first.
	MerchantReferences []string
	// SourceEventID is the gateway's id of the notification; empty if none.
	SourceEventID string
	// Status is the notification's status, verbatim.
	Status string

	Registration order.Registration
	Facts        []order.Fact
	// Uncountable: the body carries money that cannot be counted. On a known
	// order it is recorded and flagged; without one it is quarantined.
	Uncountable *order.Anomaly

	// Evidence is the body without personal and card data.
	Evidence json.RawMessage

	// Rejection, when set, says why the notification belongs to no order; it
	// is quarantined.
	Rejection *Rejection
	// Question is set for notifications that ask and report nothing; they
	// leave no event.
	Question bool
}

// Rejection is the reason of a quarantine.
type Rejection struct {
	Code   order.Flag
	Detail string
}
