package order

import (
	"encoding/json"
	"time"
)

// ReferenceLinked binds a gateway's or merchant's id to one of our orders. It
// is the event of a stream of its own (see ReferenceStream), appended with
// expected revision "no stream", so that two first notifications cannot make
// two orders. The last one of a stream counts.
type ReferenceLinked struct {
	OrderID string `json:"order_id"`
	// Category says in which kind of stream the order lives.
	Category Category `json:"category"`
	Account  string   `json:"account"`
	// MerchantReference is what the order was to be called, where the name is an idempotency key.
	MerchantReference string `json:"merchant_reference,omitempty"`
}

// NotificationQuarantined keeps a notification that belongs to no order.
type NotificationQuarantined struct {
	NotificationID string    `json:"notification_id"`
	Gateway        string    `json:"gateway"`
	Account        string    `json:"account"`
	Via            string    `json:"via"`
	Verified       string    `json:"verified"`
	Code           Flag      `json:"code"`
	Detail         string    `json:"detail,omitempty"`
	ReceivedAt     time.Time `json:"received_at"`
	BodySHA256     string    `json:"body_sha256"`
	// Body is what may be kept of the body: no personal data, no card data.
	Body json.RawMessage `json:"body,omitempty"`
}

func (ReferenceLinked) EventType() string         { return "ReferenceLinked" }
func (NotificationQuarantined) EventType() string { return "NotificationQuarantined" }

func (ReferenceLinked) isEvent()         {}
func (NotificationQuarantined) isEvent() {}
