package projections

import (
	"testing"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/history"
	"github.com/order-ledger/order-ledger/projections/quarantine"
)

// FuzzEvent writes anything at all into an order's and a quarantine's stream: whatever it is, it
// becomes rows or a reason to park, and never a crash.
func FuzzEvent(f *testing.F) {
	const id = "01J9ZZZZZZZZZZZZZZZZZZZZZZ"
	registered := []byte(`{"order_id":"` + id + `","kind":"payment","amount_due":{"amount":"12.50","currency":"EUR"}}`)
	metadata := []byte(`{"schema":1,"occurred_at":"2026-10-01T00:00:00Z","recorded_at":"2026-10-01T00:00:00Z","flags":["late"]}`)
	f.Add("PaymentCaptured", []byte(`{"payment_id":"p","amount":{"amount":"12.50","currency":"EUR"}}`), metadata)
	f.Add("PaymentReversed", []byte(`{"payment_id":"p","amount":{"amount":"12.50","currency":"EUR"}}`), metadata)
	f.Add("RefundCompleted", []byte(`{"refund_id":"r","amount":{"amount":"1","currency":"EUR"}}`), metadata)
	f.Add("DisputeFundsReinstated", []byte(`{"dispute_id":"d","amount":{"amount":"1","currency":"EUR"}}`), metadata)
	f.Add("DisputeResolved", []byte(`{"dispute_id":"d","outcome":"lost"}`), metadata)
	f.Add("LedgerCorrectionRecorded", []byte(`{"adjustments":[{"balance":"captured","direction":"decrease","amount":{"amount":"9","currency":"EUR"}}]}`), metadata)
	f.Add("NotificationQuarantined", []byte(`{"notification_id":"n","body_sha256":"x"}`), metadata)
	f.Add("OrderRegistered", registered, []byte(`{"schema":1,"recorded_at":"9999-12-31T23:59:59Z"}`))
	f.Add("What", []byte("\xff"), []byte(""))
	f.Fuzz(func(t *testing.T, eventType string, data, metadata []byte) {
		o := newOrderState("order-" + id)
		first := &eventstore.RecordedEvent{ID: uuid.New(), Stream: o.stream, Type: "OrderRegistered", Data: registered, Metadata: []byte(`{"schema":1}`)}
		if err := o.apply(decodeEvent(first)); err != nil {
			t.Fatal(err)
		}
		ev := &eventstore.RecordedEvent{ID: uuid.New(), Stream: o.stream, Revision: 1, Type: eventType, Data: data, Metadata: metadata}
		it := decodeEvent(ev)
		var trail history.Rows
		trail.Add(&history.Entry{OrderID: o.id, Event: ev, Metadata: it.metadata, Readable: it.err == nil})
		if err := o.apply(it); err == nil {
			var r rows
			if err := r.add(o); err != nil {
				t.Fatalf("an order that was folded has no rows: %v", err)
			}
			if r.live.Len() != 1 {
				t.Fatalf("%d rows", r.live.Len())
			}
		}
		if n, ok := it.recorded.Event.(order.NotificationQuarantined); ok {
			var q quarantine.Rows
			q.Add(ev, &n, it.metadata)
		}
	})
}
