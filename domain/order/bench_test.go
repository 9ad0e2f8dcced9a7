package order_test

import (
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/domain/order"
)

// BenchmarkObserve is what the domain costs for one notification: a paid card
// order's snapshot, decided on an order that was issued, sealed and folded.
func BenchmarkObserve(b *testing.B) {
	p := order.PaymentRef{SourceID: "o1", SourceOrderID: "o1"}
	due := eur("96.56")
	reg := order.Registration{Kind: order.KindPayment, SourceOrderID: "o1", MerchantReference: "SO-1", AmountDue: &due}
	at := func(key string, hours int) order.At {
		return order.At{Key: key, OccurredAt: day.Add(time.Duration(hours) * time.Hour), Basis: order.BasisStatusChange, Status: key}
	}
	var issued order.State
	issued, _ = feed(b, issued, observe("b0", reg, order.Issued{At: at("issued", 0), SourceOrderID: "o1"}))
	c := observe("b1", reg,
		order.Issued{At: at("issued", 0), SourceOrderID: "o1"},
		order.Processing{At: at("in_progress", 1), Payment: p, Attempt: 1},
		order.Totals{At: at("decta:o1", 2), Payment: p, Total: due, Captured: true, CapturedAt: day.Add(2 * time.Hour)},
	)
	b.Run("decide", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if decided, err := order.Decide(issued, c); err != nil || len(decided) == 0 {
				b.Fatal(len(decided), err)
			}
		}
	})
	captured := order.PaymentCaptured{PaymentID: testOrderID, Amount: due, Method: "card"}
	_, data, metadata, err := order.Encode(captured, fullMetadata())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, _, err := order.Encode(captured, fullMetadata()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := order.Decode("PaymentCaptured", data, metadata); err != nil {
				b.Fatal(err)
			}
		}
	})
}
