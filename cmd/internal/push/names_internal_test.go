package push

import (
	"slices"
	"testing"

	"github.com/order-ledger/order-ledger/domain/order"
)

// TestNames_Catalogue: every event type is pushed under a name, or is left out on purpose. Who adds a type must
// say which: otherwise each event of it is a dead letter of every subscriber.
func TestNames_Catalogue(t *testing.T) {
	t.Parallel()
	for _, eventType := range order.EventTypes() {
		if _, named := names[eventType]; named == leftOut[eventType] {
			t.Errorf("%s is to be either in names or in leftOut", eventType)
		}
	}
	for eventType := range names {
		if !slices.Contains(order.EventTypes(), eventType) {
			t.Errorf("%s has a name and is no event type", eventType)
		}
	}
	for eventType := range leftOut {
		if !slices.Contains(order.EventTypes(), eventType) {
			t.Errorf("%s is left out and is no event type", eventType)
		}
	}
}

// TestNameOf_RefundObserved: a refund of which nobody knows how much it was is not called completed, and who
// asks for one of the names gets that one only.
func TestNameOf_RefundObserved(t *testing.T) {
	t.Parallel()
	for extent, want := range map[order.RefundExtent]string{
		order.ExtentUnknown: "refund.observed", order.ExtentPartial: "refund.completed", order.ExtentFull: "refund.completed",
	} {
		if got := nameOf(order.RefundObserved{Extent: extent}); got != want || !slices.Contains(Names(), got) {
			t.Errorf("extent %s is called %s", extent, got)
		}
	}
	for pattern, wanted := range map[string]bool{"refund.observed": true, "refund.completed": true, "refund.*": true, "refund.failed": false} {
		s := Subscriber{Events: []string{pattern}}
		if s.mayWant("RefundObserved") != wanted {
			t.Errorf("who asks for %s: %v", pattern, !wanted)
		}
	}
}
