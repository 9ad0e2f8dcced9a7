package connectpay_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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
				Gateway: "connectpay", Account: "default", BodySHA256: hex.EncodeToString(sum[:]), Body: got.Evidence,
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

func paymentNow(id, amount, status string) string {
	return fmt.Sprintf(`{"merchant":{"generic1":"SO"},"payment":{"paymentId":%q,"paymentMethod":"CARD","instructedAmount":{"amount":%q,"currency":"EUR"}},"status":{"code":%q}}`,
		id, amount, status)
}

// TestTranslate_AnyOrderOfArrival: the bodies of one order end with the same books in every order of
// arrival, and told twice they change nothing (invariants I6, I7 and I9).
func TestTranslate_AnyOrderOfArrival(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		bodies []string
		want   string
	}{
		{"Settled", []string{
			paymentNow("p", "49.00", "Initiated"), paymentNow("p", "49.00", "PendingProvider"),
			paymentNow("p", "49.00", "Approved"), paymentNow("p", "49.00", "Settled"),
		}, "due 49.00 PAID/NONE expected 0.00 captured 49.00 settled 49.00 pending 0.00 refunded 0.00 net 49.00"},
		{"OneOfTwoAbandoned", []string{
			paymentNow("p", "49.00", "Initiated"), paymentNow("p", "49.00", "Abandoned"),
			paymentNow("q", "49.00", "Processing"), paymentNow("q", "49.00", "Approved"),
		}, "due 49.00 PAID/NONE expected 0.00 captured 49.00 settled 0.00 pending 0.00 refunded 0.00 net 49.00"},
		{"TwoParts", []string{
			paymentNow("p", "40.00", "Settled"), paymentNow("q", "9.00", "Approved"), paymentNow("r", "1.00", "Processing"),
		}, "due 50.00 PARTIALLY_PAID/NONE expected 0.00 captured 49.00 settled 40.00 pending 0.00 refunded 0.00 net 49.00"},
		{"SettledAfterAbandoned", []string{
			paymentNow("p", "49.00", "Abandoned"), paymentNow("p", "49.00", "Settled"),
		}, "due 49.00 PAID/NONE expected 0.00 captured 49.00 settled 49.00 pending 0.00 refunded 0.00 net 49.00"},
		{"Refunded", []string{
			paymentNow("p", "49.00", "Approved"), paymentNow("p", "49.00", "PendingRefund"), paymentNow("p", "49.00", "Refunded"),
		}, "due 49.00 PAID/FULL expected 0.00 captured 49.00 settled 0.00 pending 0.00 refunded 49.00 net 0.00"},
		{"AmountToldLate", []string{
			`{"merchant":{"generic1":"SO"},"payment":{"paymentId":"p","redirectUrl":"https://x"}}`,
			`{"merchant":{"generic1":"SO"},"payment":{"paymentId":"p"},"status":{"code":"Settled"}}`,
			paymentNow("p", "49.00", "Approved"),
		}, "due 49.00 PAID/NONE expected 0.00 captured 49.00 settled 49.00 pending 0.00 refunded 0.00 net 49.00"},
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

// TestTranslate_RefundThatFailed: back at Approved in a body not seen before, the refund is over.
func TestTranslate_RefundThatFailed(t *testing.T) {
	t.Parallel()
	again := paymentNow("p", "49.00", "Approved") + "\n"
	state := ledger(t, []string{
		paymentNow("p", "49.00", "Approved"), paymentNow("p", "49.00", "PendingRefund"), paymentNow("p", "49.00", "Approved"),
	})
	if got := state.RefundState(); got != order.RefundPending {
		t.Errorf("after the same Approved again: refund %s, want PENDING", got)
	}
	state = ledger(t, []string{paymentNow("p", "49.00", "Approved"), paymentNow("p", "49.00", "PendingRefund"), again, again})
	if got := state.RefundState(); got != order.RefundNone {
		t.Errorf("after another Approved: refund %s, want NONE", got)
	}
}
