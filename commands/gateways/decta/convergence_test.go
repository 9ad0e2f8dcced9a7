package decta_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/domain/order"
)

// ledger folds what a list of bodies means, in that order, into one order and
// returns it.
func ledger(t *testing.T, bodies []string) order.State {
	t.Helper()
	var state order.State
	for i, body := range bodies {
		got := translate(body)
		if got.Rejection != nil {
			t.Fatalf("%s is rejected: %+v", body, got.Rejection)
		}
		sum := sha256.Sum256([]byte(body))
		observed := order.Observe{
			OrderID: "01JCZ0000000000000000000AA",
			Evidence: order.NotificationRecorded{
				Gateway: "decta", Account: "default", BodySHA256: hex.EncodeToString(sum[:]), Body: got.Evidence,
			},
			ReceivedAt:   time.Date(2026, 12, 22, 12, 0, i, 0, time.UTC),
			Registration: got.Registration, Facts: got.Facts, Uncountable: got.Uncountable,
		}
		decided, err := order.Decide(state, observed)
		if err != nil {
			t.Fatalf("decide %s: %v", body, err)
		}
		for _, d := range decided {
			next := uint64(0)
			if state.Exists {
				next = state.Revision + 1
			}
			state.Apply(order.Recorded{Event: d.Event, ID: d.ID, Revision: next, Metadata: order.Metadata{
				OccurredAt: d.OccurredAt, OccurredAtBasis: d.Basis, SourceStatus: d.SourceStatus, Flags: d.Flags,
			}})
		}
		if again, err := order.Decide(state, observed); err != nil || len(again) > 0 {
			t.Fatalf("%s told again: %d events, %v", body, len(again), err)
		}
	}
	return state
}

// books are what must not depend on the order of arrival.
func books(s *order.State) string {
	b := s.Balances()
	return fmt.Sprintf("due %s %s/%s/%s held %s captured %s settled %s outside %s reversed %s pending %s refunded %s disputed %s net %s",
		s.AmountDue, s.PaymentState(), s.RefundState(), s.DisputeState(), b.Authorised, b.Captured, b.Settled, b.External, b.Reversed,
		b.RefundPending, b.Refunded, b.DisputeHeld, b.Net)
}

// permutations visits every order of n things; n is small.
func permutations(n int, visit func([]int)) {
	sequence := make([]int, n)
	for i := range sequence {
		sequence[i] = i
	}
	var permute func(k int)
	permute = func(k int) {
		if k == n {
			visit(sequence)
			return
		}
		for i := k; i < n; i++ {
			sequence[k], sequence[i] = sequence[i], sequence[k]
			permute(k + 1)
			sequence[k], sequence[i] = sequence[i], sequence[k]
		}
	}
	permute(0)
}

// TestTranslate_AnyOrderOfArrival: hooks and answers of one order, complete and
// thin, end with the same books in every order of arrival, and told twice they
// change nothing (invariants I6 and I7).
func TestTranslate_AnyOrderOfArrival(t *testing.T) {
	t.Parallel()
	full := func(members string) string {
		return `{"type":"order","id":"o","number":"SO-417","currency":"EUR","total":96.56,"issued":1795132800,` + members + `}`
	}
	const unpaid = "due 96.56 UNPAID/NONE/NONE held 0.00 captured 0.00 settled 0.00 outside 0.00 reversed 0.00 pending 0.00 refunded 0.00 disputed 0.00 net 0.00"
	for _, tc := range []struct {
		name   string
		bodies []string
		want   string
	}{
		{"ThinCapture", []string{
			full(`"status":"issued","modified":1795132800`),
			`{"id":"o","status":"in_progress"}`,
			`{"id":"o","status":"paid","modified":1795140012}`,
		}, "due 96.56 PAID/NONE/NONE held 0.00 captured 96.56 settled 0.00 outside 0.00 reversed 0.00 pending 0.00 refunded 0.00 disputed 0.00 net 96.56"},
		{"ThinReversal", []string{
			full(`"status":"issued","modified":1795132800`),
			`{"id":"o","status":"paid","paid":1795140012}`,
			`{"id":"o","status":"reversed"}`,
		}, "due 96.56 UNPAID/NONE/NONE held 0.00 captured 96.56 settled 0.00 outside 0.00 reversed 96.56 pending 0.00 refunded 0.00 disputed 0.00 net 0.00"},
		{"ThinPartialCapture", []string{
			full(`"status":"hold","modified":1795140012,` + history("issued@132800 hold@140012")),
			`{"id":"o","status":"paid","captured":1795226400}`,
			full(`"status":"paid","captured":1795226400,"paid":1795226400,"modified":1795226400,` + history("issued@132800 hold@140012 paid@226400")),
			full(`"status":"paid","captured":1795226400,"paid":1795226400,"modified":1795226401,"transaction_details":{"amount_reversed":46.56},` + history("issued@132800 hold@140012 paid@226400")),
		}, "due 96.56 PARTIALLY_PAID/NONE/NONE held 0.00 captured 50.00 settled 0.00 outside 0.00 reversed 0.00 pending 0.00 refunded 0.00 disputed 0.00 net 50.00"},
		{"ThinVoid", []string{
			full(`"status":"hold","modified":1795140012,` + history("issued@132800 hold@140012")),
			`{"id":"o","status":"cancelled"}`,
			full(`"status":"cancelled","modified":1795240012,` + history("issued@132800 hold@140012 cancelled@240012")),
		}, unpaid},
		{"ThreeFailuresThenCancelled", []string{
			full(`"status":"failed","modified":1795132905,"max_payment_attempts":2,` + history("issued@132800 in_progress@132890 failed@132905")),
			full(`"status":"failed","modified":1795132960,"max_payment_attempts":2,` + history("issued@132800 in_progress@132890 failed@132905 in_progress@132950 failed@132960")),
			full(`"status":"cancelled","modified":1795132961,"max_payment_attempts":2,` + history("issued@132800 in_progress@132890 failed@132905 in_progress@132950 failed@132960 cancelled@132961")),
		}, unpaid},
		{"PaidAfterExpiry", []string{
			full(`"status":"expired","modified":1795140000,` + history("issued@132800 expired@140000")),
			full(`"status":"paid","paid":1795140012,"modified":1795140012,` + history("issued@132800 expired@140000 paid@140012")),
			full(`"status":"paid","paid":1795140012,"modified":1795305600,"transaction_details":{"settled":1795305600}`),
		}, "due 96.56 PAID/NONE/NONE held 0.00 captured 96.56 settled 96.56 outside 0.00 reversed 0.00 pending 0.00 refunded 0.00 disputed 0.00 net 96.56"},
		{"ReceivedOutside", []string{
			full(`"status":"issued","modified":1795132800`),
			full(`"status":"received","paid":1795226400,"modified":1795226400`),
			full(`"status":"Recieved","paid":1795226400,"modified":1795226400,` + history("issued@132800 received@226400")),
		}, "due 96.56 PAID/NONE/NONE held 0.00 captured 0.00 settled 0.00 outside 96.56 reversed 0.00 pending 0.00 refunded 0.00 disputed 0.00 net 96.56"},
		{"ChargebackWithoutCounter", []string{
			full(`"status":"paid","paid":1795140012,"modified":1795140012`),
			full(`"status":"chargeback","modified":1796400000,"transaction_details":{"chargebacks":null},` + history("paid@140012 chargeback@400000")),
			full(`"status":"chargeback","modified":1796400001,"transaction_details":{"chargebacks":[40.00,10]},` + history("paid@140012 chargeback@400000")),
		}, "due 96.56 PAID/NONE/OPEN held 0.00 captured 96.56 settled 0.00 outside 0.00 reversed 0.00 pending 0.00 refunded 0.00 disputed 50.00 net 46.56"},
		{"RefundsByCounter", []string{
			full(`"status":"paid","paid":1795140012,"modified":1795140012`),
			full(`"status":"refunded","modified":1795226400,"amount_refunded":10.00,` + history("paid@140012 refunded@226400")),
			full(`"status":"refunded","modified":1795226500,"amount_refunded":25.00,` + history("paid@140012 refunded@226400 refunded@226500")),
			full(`"status":"refund_failed","modified":1795226600,"amount_refunded":25.00,` + history("paid@140012 refunded@226400 refunded@226500 refund_initiated@226550 refund_failed@226600")),
		}, "due 96.56 PAID/PARTIAL/NONE held 0.00 captured 96.56 settled 0.00 outside 0.00 reversed 0.00 pending 0.00 refunded 25.00 disputed 0.00 net 71.56"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			permutations(len(tc.bodies), func(as []int) {
				var arrived []string
				for _, i := range as {
					arrived = append(arrived, tc.bodies[i], tc.bodies[i])
				}
				state := ledger(t, append(arrived, tc.bodies...))
				if got := books(&state); got != tc.want {
					t.Errorf("order of arrival %v:\n got %s\nwant %s", as, got, tc.want)
				}
			})
		})
	}
}

// TestTranslate_PayoutInAnyOrder: a payout ends as paid, whatever is told first.
func TestTranslate_PayoutInAnyOrder(t *testing.T) {
	t.Parallel()
	bodies := []string{
		`{"type":"payout","id":"p","number":"PO-77","status":"created","amount":250.00,"currency":"EUR","modified":1795132800}`,
		`{"type":"payout","id":"p","status":"in_progress"}`,
		`{"type":"payout","id":"p","status":"paid","amount":250.00,"currency":"EUR","modified":1795132900}`,
	}
	permutations(len(bodies), func(as []int) {
		var arrived []string
		for _, i := range as {
			arrived = append(arrived, bodies[i])
		}
		state := ledger(t, arrived)
		if p := state.Payout; p.Status != order.PayoutStatePaid || p.PaidOut.Format() != "250.00 EUR" {
			t.Errorf("order of arrival %v: %s, paid out %s", as, p.Status, p.PaidOut.Format())
		}
		if b := state.Balances(); b.Captured.IsPositive() {
			t.Errorf("captured %s of a payout", b.Captured)
		}
	})
}
