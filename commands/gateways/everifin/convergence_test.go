package everifin_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/domain/order"
)

// ledger folds what a list of bodies means, in that order, into one order and returns it.
func ledger(t *testing.T, bodies []string) order.State {
	t.Helper()
	var state order.State
	for i, body := range bodies {
		got := translate(body)
		if got.Rejection != nil {
			t.Fatalf("%s is rejected: %+v", body, got.Rejection)
		}
		sum := sha256.Sum256([]byte(body))
		decided, err := order.Decide(state, order.Observe{
			OrderID: "01JCZ0000000000000000000AA",
			Evidence: order.NotificationRecorded{
				Gateway: "everifin", Account: "default", BodySHA256: hex.EncodeToString(sum[:]), Body: got.Evidence,
			},
			ReceivedAt:   time.Date(2026, 11, 22, 12, 0, i, 0, time.UTC),
			Registration: got.Registration, Facts: got.Facts, Uncountable: got.Uncountable,
		})
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
	}
	return state
}

// books are what must not depend on the order of arrival.
func books(s *order.State) string {
	b := s.Balances()
	return fmt.Sprintf("due %s %s/%s expected %s captured %s settled %s pending %s refunded %s net %s",
		s.AmountDue, s.PaymentState(), s.RefundState(), b.Expected, b.Captured, b.Settled, b.RefundPending, b.Refunded, b.Net)
}

// permutations visits every order of n things; n is small.
func permutations(n int, visit func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var permute func(k int)
	permute = func(k int) {
		if k == n {
			visit(order)
			return
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			permute(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	permute(0)
}

func hookOf(what, id, status, moment string) string {
	return fmt.Sprintf(`{"eventId":"%[2]s-%[3]s","eventType":"payment.statusChange","eventTimestamp":%[4]q,"data":{%[1]q:%[2]q,"orderId":"o","externalId":"SO","status":%[3]q}}`,
		what, id, status, moment)
}

// TestTranslate_AnyOrderOfArrival: hooks and answers of one order end with the same books in every
// order of arrival, and told twice they change nothing (invariants I6 and I7).
func TestTranslate_AnyOrderOfArrival(t *testing.T) {
	t.Parallel()
	const created = `{"meta":{"status":"SUCCESS"},"data":{"id":"o","processablePaymentId":"p1","link":"https://x","status":"UNPAID"}}`
	orderNow := func(amount, status, parts string) string {
		return `{"meta":{"status":"SUCCESS"},"data":{"id":"o","amount":` + amount + `,"currency":"EUR","status":"` + status +
			`","externalId":"SO","createdAt":"2026-11-20T10:00:00Z",` + parts + `}}`
	}
	for _, tc := range []struct {
		name   string
		bodies []string
		want   string
	}{
		{"BookedByHooks", []string{
			created,
			hookOf("paymentId", "p1", "SEEN", "2026-11-20T10:01:00Z"),
			hookOf("paymentId", "p1", "CONFIRMED", "2026-11-20T10:02:00Z"),
			hookOf("paymentId", "p1", "BOOKED", "2026-11-20T10:03:00Z"),
			orderNow("120.99", "PAID", `"payments":[{"id":"p1","status":"BOOKED","amount":120.99,"currency":"EUR"}],"refunds":[]`),
		}, "due 120.99 PAID/NONE expected 0.00 captured 120.99 settled 120.99 pending 0.00 refunded 0.00 net 120.99"},
		{"RaisedToTwoPayments", []string{
			orderNow("120.99", "UNPAID", `"payments":[{"id":"p1","status":"CREATED","amount":120.99,"currency":"EUR"}],"refunds":[]`),
			hookOf("paymentId", "p1", "BOOKED", "2026-11-20T10:03:00Z"),
			orderNow("150.99", "PARTIALLY_PAID", `"payments":[{"id":"p1","status":"BOOKED","amount":120.99,"currency":"EUR"},{"id":"p2","status":"CREATED","amount":30,"currency":"EUR"}]`),
			hookOf("paymentId", "p2", "BOOKED", "2026-11-20T11:03:00Z"),
		}, "due 150.99 PAID/NONE expected 0.00 captured 150.99 settled 150.99 pending 0.00 refunded 0.00 net 150.99"},
		{"RaisedBeforeThePayment", []string{
			orderNow("41.44", "UNPAID", `"payments":[{"id":"p1","status":"CREATED","amount":41.44,"currency":"EUR"}],"refunds":[]`),
			orderNow("43.17", "UNPAID", `"payments":[{"id":"p1","status":"CREATED","amount":43.17,"currency":"EUR"}],"refunds":[]`),
			`{"data":{"id":"p1","orderId":"o","amount":43.17,"currency":"EUR","status":"PROCESSING","createdAt":"2026-11-20T10:00:00Z"}}`,
			hookOf("paymentId", "p1", "BOOKED", "2026-11-20T10:03:00Z"),
			orderNow("43.17", "PAID", `"payments":[{"id":"p1","status":"BOOKED","amount":43.17,"currency":"EUR"}],"refunds":[]`),
		}, "due 43.17 PAID/NONE expected 0.00 captured 43.17 settled 43.17 pending 0.00 refunded 0.00 net 43.17"},
		{"FailedAfterConfirmation", []string{
			orderNow("10", "UNPAID", `"payments":[{"id":"p1","status":"CREATED","amount":10,"currency":"EUR"}]`),
			hookOf("paymentId", "p1", "CONFIRMED", "2026-11-20T10:02:00Z"),
			hookOf("paymentId", "p1", "FAILED", "2026-11-20T10:03:00Z"),
			`{"data":{"id":"p1","orderId":"o","amount":10,"currency":"EUR","status":"FAILED","reasonCode":"AML_BLOCKED","confirmedAt":"2026-11-20T10:02:00Z","finalizedAt":"2026-11-20T10:03:00Z"}}`,
		}, "due 10.00 UNPAID/NONE expected 0.00 captured 0.00 settled 0.00 pending 0.00 refunded 0.00 net 0.00"},
		{"LostSightThenBooked", []string{
			orderNow("10", "UNPAID", `"payments":[{"id":"p1","status":"PROCESSING","amount":10,"currency":"EUR"}]`),
			hookOf("paymentId", "p1", "PROCESSING_EXPIRED", "2026-11-20T10:33:00Z"),
			hookOf("paymentId", "p1", "BOOKED", "2026-11-21T10:03:00Z"),
		}, "due 10.00 PAID/NONE expected 0.00 captured 10.00 settled 10.00 pending 0.00 refunded 0.00 net 10.00"},
		{"PartlyRefunded", []string{
			orderNow("10", "PAID", `"payments":[{"id":"p1","status":"BOOKED","amount":10,"currency":"EUR"}],"refunds":[{"id":"r1","status":"CREATED","amount":4,"currency":"EUR"}]`),
			hookOf("refundId", "r1", "SEEN", "2026-11-21T10:00:00Z"),
			hookOf("refundId", "r1", "BOOKED", "2026-11-21T10:03:00Z"),
			hookOf("refundId", "r2", "FAILED", "2026-11-21T11:03:00Z"),
			`{"data":{"refundId":"r2","orderId":"o","amount":6,"currency":"EUR","status":"FAILED"}}`,
		}, "due 10.00 PAID/PARTIAL expected 0.00 captured 10.00 settled 10.00 pending 0.00 refunded 4.00 net 6.00"},
		{"RefundOpen", []string{
			orderNow("10", "PAID", `"payments":[{"id":"p1","status":"BOOKED","amount":10,"currency":"EUR"}]`),
			hookOf("refundId", "r1", "CREATED", "2026-11-21T10:00:00Z"),
			hookOf("refundId", "r1", "PROCESSING_EXPIRED", "2026-11-21T10:30:00Z"),
			`{"data":{"refundId":"r1","orderId":"o","amount":10,"currency":"EUR","status":"PROCESSING"}}`,
		}, "due 10.00 PAID/PENDING expected 0.00 captured 10.00 settled 10.00 pending 10.00 refunded 0.00 net 10.00"},
		{"AmountFromTheCreateAnswer", []string{
			`{"data":{"id":"o","processablePaymentId":"p1","link":"https://x","status":"UNPAID","amount":25.5,"currency":"EUR","externalId":"SO"}}`,
			hookOf("paymentId", "p1", "PROCESSING", "2026-11-20T10:02:00Z"),
			hookOf("paymentId", "p1", "BOOKED", "2026-11-20T10:03:00Z"),
		}, "due 25.50 PAID/NONE expected 0.00 captured 25.50 settled 25.50 pending 0.00 refunded 0.00 net 25.50"},
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
					t.Errorf("order of arrival %v:\n got %s\nwant %s\nevents %s", as, got, tc.want, strings.Join(arrived, "\n"))
				}
			})
		})
	}
}

// TestTranslate_ReasonLearntLater: hooks tell no reason; the payment's own body does, before or after.
func TestTranslate_ReasonLearntLater(t *testing.T) {
	t.Parallel()
	hook := hookOf("paymentId", "p1", "FAILED", "2026-11-20T10:03:00Z")
	const answer = `{"data":{"id":"p1","orderId":"o","amount":10,"currency":"EUR","status":"FAILED","reasonCode":"BANK_NOT_FOUND"}}`
	for _, bodies := range [][]string{{hook, answer}, {answer, hook}, {hook, answer, answer + " ", hook + " "}, {answer}} {
		state := ledger(t, bodies)
		if p := state.Payments[0]; p.Status != order.PaymentFailedStatus || p.ReasonCode != "BANK_NOT_FOUND" {
			t.Errorf("after %q: payment %s for %q, want FAILED for BANK_NOT_FOUND", bodies, p.Status, p.ReasonCode)
		}
	}
}
