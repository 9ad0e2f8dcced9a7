package decta_test

import (
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
	"github.com/order-ledger/order-ledger/domain/order"
)

// TestTranslate_AnyOrderOfArrival: hooks and answers of one order, complete and
// thin, end with the same books in every order of arrival, and told twice they
// change nothing (invariants I6 and I7).
func TestTranslate_AnyOrderOfArrival(t *testing.T) {
	t.Parallel()
	full := func(members string) string {
		return `{"type":"order","id":"o","number":"SO-417","currency":"EUR","total":96.56,"issued":1795132800,` + members + `}`
	}
	const unpaid = "due 96.56, UNPAID"
	gatewaytest.AnyOrder(t, decta.New(), []gatewaytest.Arrival{
		{Name: "ThinCapture", Bodies: []string{
			full(`"status":"issued","modified":1795132800`),
			`{"id":"o","status":"in_progress"}`,
			`{"id":"o","status":"paid","modified":1795140012}`,
		}, Books: "due 96.56, PAID, captured 96.56, net 96.56"},
		{Name: "ThinReversal", Bodies: []string{
			full(`"status":"issued","modified":1795132800`),
			`{"id":"o","status":"paid","paid":1795140012}`,
			`{"id":"o","status":"reversed"}`,
		}, Books: "due 96.56, UNPAID, captured 96.56, reversed 96.56"},
		{Name: "ThinPartialCapture", Bodies: []string{
			full(`"status":"hold","modified":1795140012,` + history("issued@132800 hold@140012")),
			`{"id":"o","status":"paid","captured":1795226400}`,
			full(`"status":"paid","captured":1795226400,"paid":1795226400,"modified":1795226400,` + history("issued@132800 hold@140012 paid@226400")),
			full(`"status":"paid","captured":1795226400,"paid":1795226400,"modified":1795226401,"transaction_details":{"amount_reversed":46.56},` + history("issued@132800 hold@140012 paid@226400")),
		}, Books: "due 96.56, PARTIALLY_PAID, captured 50.00, net 50.00"},
		{Name: "ThinVoid", Bodies: []string{
			full(`"status":"hold","modified":1795140012,` + history("issued@132800 hold@140012")),
			`{"id":"o","status":"cancelled"}`,
			full(`"status":"cancelled","modified":1795240012,` + history("issued@132800 hold@140012 cancelled@240012")),
		}, Books: unpaid},
		{Name: "ThreeFailuresThenCancelled", Bodies: []string{
			full(`"status":"failed","modified":1795132905,"max_payment_attempts":2,` + history("issued@132800 in_progress@132890 failed@132905")),
			full(`"status":"failed","modified":1795132960,"max_payment_attempts":2,` + history("issued@132800 in_progress@132890 failed@132905 in_progress@132950 failed@132960")),
			full(`"status":"cancelled","modified":1795132961,"max_payment_attempts":2,` + history("issued@132800 in_progress@132890 failed@132905 in_progress@132950 failed@132960 cancelled@132961")),
		}, Books: unpaid},
		{Name: "PaidAfterExpiry", Bodies: []string{
			full(`"status":"expired","modified":1795140000,` + history("issued@132800 expired@140000")),
			full(`"status":"paid","paid":1795140012,"modified":1795140012,` + history("issued@132800 expired@140000 paid@140012")),
			full(`"status":"paid","paid":1795140012,"modified":1795305600,"transaction_details":{"settled":1795305600}`),
		}, Books: "due 96.56, PAID, captured 96.56, settled 96.56, net 96.56"},
		{Name: "ReceivedOutside", Bodies: []string{
			full(`"status":"issued","modified":1795132800`),
			full(`"status":"received","paid":1795226400,"modified":1795226400`),
			full(`"status":"Recieved","paid":1795226400,"modified":1795226400,` + history("issued@132800 received@226400")),
		}, Books: "due 96.56, PAID, external 96.56, net 96.56"},
		{Name: "ChargebackWithoutCounter", Bodies: []string{
			full(`"status":"paid","paid":1795140012,"modified":1795140012`),
			full(`"status":"chargeback","modified":1796400000,"transaction_details":{"chargebacks":null},` + history("paid@140012 chargeback@400000")),
			full(`"status":"chargeback","modified":1796400001,"transaction_details":{"chargebacks":[40.00,10]},` + history("paid@140012 chargeback@400000")),
		}, Books: "due 96.56, PAID, dispute OPEN, captured 96.56, held 50.00, net 46.56"},
		{Name: "RefundsByCounter", Bodies: []string{
			full(`"status":"paid","paid":1795140012,"modified":1795140012`),
			full(`"status":"refunded","modified":1795226400,"amount_refunded":10.00,` + history("paid@140012 refunded@226400")),
			full(`"status":"refunded","modified":1795226500,"amount_refunded":25.00,` + history("paid@140012 refunded@226400 refunded@226500")),
			full(`"status":"refund_failed","modified":1795226600,"amount_refunded":25.00,` + history("paid@140012 refunded@226400 refunded@226500 refund_initiated@226550 refund_failed@226600")),
		}, Books: "due 96.56, PAID, refund PARTIAL, captured 96.56, refunded 25.00, net 71.56"},
	})
}

// TestTranslate_PayoutInAnyOrder: a payout ends as paid, whatever is told first.
func TestTranslate_PayoutInAnyOrder(t *testing.T) {
	t.Parallel()
	bodies := []string{
		`{"type":"payout","id":"p","number":"PO-77","status":"created","amount":250.00,"currency":"EUR","modified":1795132800}`,
		`{"type":"payout","id":"p","status":"in_progress"}`,
		`{"type":"payout","id":"p","status":"paid","amount":250.00,"currency":"EUR","modified":1795132900}`,
	}
	gatewaytest.Permutations(bodies, func(arrived []string) {
		state := gatewaytest.Fold(t, decta.New(), arrived)
		if p := state.Payout; p.Status != order.PayoutStatePaid || p.PaidOut.Format() != "250.00 EUR" {
			t.Errorf("order of arrival %q: %s, paid out %s", arrived, p.Status, p.PaidOut.Format())
		}
		if b := state.Balances(); b.Captured.IsPositive() {
			t.Errorf("captured %s of a payout", b.Captured)
		}
	})
}
