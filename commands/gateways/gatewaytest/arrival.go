package gatewaytest

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// Arrival is the bodies of one order, and the books that they end with in whatever order they arrive.
type Arrival struct {
	Name   string
	Bodies []string
	Books  string
}

// AnyOrder takes the bodies of each order in, in every order of arrival, each twice and then all once
// more: the books are the same (invariants I6 and I7).
func AnyOrder(t *testing.T, translator commands.Translator, arrivals []Arrival) {
	t.Helper()
	for _, a := range arrivals {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			Permutations(a.Bodies, func(bodies []string) {
				var arrived []string
				for _, body := range bodies {
					arrived = append(arrived, body, body)
				}
				arrived = append(arrived, a.Bodies...)
				state := Fold(t, translator, arrived)
				if got := Books(&state); got != a.Books {
					t.Errorf("\n got %s\nwant %s\nafter\n%s", got, a.Books, strings.Join(arrived, "\n"))
				}
			})
		})
	}
}

// Fold takes bodies in, in that order, as one order, and returns it. A body told twice decides nothing.
func Fold(t testing.TB, translator commands.Translator, bodies []string) order.State {
	t.Helper()
	var state order.State
	for i, body := range bodies {
		got := Translate(translator, body)
		if got.Rejection != nil {
			t.Fatalf("%s is rejected: %+v", body, got.Rejection)
		}
		sum := sha256.Sum256([]byte(body))
		observed := order.Observe{
			OrderID: "01JCZ0000000000000000000AA",
			Evidence: order.NotificationRecorded{
				Gateway: translator.Gateway(), Account: "default", BodySHA256: hex.EncodeToString(sum[:]), Body: got.Evidence,
			},
			ReceivedAt:   receivedAt.AddDate(0, 1, 0).Add(time.Duration(i) * time.Second),
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

// Books are the amounts and states of an order that must not depend on the order of arrival; amounts of
// nothing and states of NONE are left out.
func Books(s *order.State) string {
	b := s.Balances()
	books := []string{"due " + s.AmountDue.String(), string(s.PaymentState())}
	if state := s.RefundState(); state != order.RefundNone {
		books = append(books, "refund "+string(state))
	}
	if state := s.DisputeState(); state != order.DisputeNone {
		books = append(books, "dispute "+string(state))
	}
	for _, amount := range []struct {
		name  string
		worth money.Money
	}{
		{"authorised", b.Authorised},
		{"expected", b.Expected},
		{"captured", b.Captured},
		{"settled", b.Settled},
		{"external", b.External},
		{"reversed", b.Reversed},
		{"pending", b.RefundPending},
		{"refunded", b.Refunded},
		{"held", b.DisputeHeld},
		{"lost", b.DisputeLost},
		{"net", b.Net},
	} {
		if !amount.worth.IsZero() {
			books = append(books, amount.name+" "+amount.worth.String())
		}
	}
	return strings.Join(books, ", ")
}

// Permutations visits every order of a few bodies; the slice is visit's until it returns.
func Permutations(bodies []string, visit func([]string)) {
	sequence := append([]string(nil), bodies...)
	var permute func(k int)
	permute = func(k int) {
		if k == len(sequence) {
			visit(sequence)
			return
		}
		for i := k; i < len(sequence); i++ {
			sequence[k], sequence[i] = sequence[i], sequence[k]
			permute(k + 1)
			sequence[k], sequence[i] = sequence[i], sequence[k]
		}
	}
	permute(0)
}
