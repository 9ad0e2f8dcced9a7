package simulate_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/cmd/internal/simulate"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/test/model"
)

// How much TestLedgerAgrees compares; other seeds can be tried by hand.
var (
	orders = flag.Int("orders", 1500, "orders that the ledger is compared over")
	seed   = flag.Uint64("seed", 2026, "seed of the comparison")
)

// TestLedgerAgrees gives the whole traffic to the ledger's write side and
// compares every order's figures with what the scripts say. (The test stands
// here because only cmd may import the simulation.)
func TestLedgerAgrees(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := model.Open(t)
	notifications, rows := collect(t, simulate.Options{Orders: *orders, Seed: *seed})
	for i, n := range notifications {
		r, err := l.Accept(ctx, n.Gateway, n.Body)
		if err != nil {
			t.Fatalf("notification %d, %s: %v\n%s", i, n.Gateway, err, n.Body)
		}
		if r.Outcome == commands.Quarantined {
			t.Errorf("notification %d, %s, is quarantined: %+v\n%s", i, n.Gateway, r, n.Body)
		}
	}
	states, err := l.Orders(ctx)
	if err != nil {
		t.Fatal(err)
	}
	bySource := map[string]*order.State{}
	for _, s := range states {
		bySource[s.Source+" "+s.SourceOrderID] = s
	}
	differing := map[string][]string{}
	for _, want := range rows {
		got := bySource[want.Gateway+" "+want.SourceOrderID]
		if difference := compare(got, &want); difference != "" {
			differing[want.Scenario] = append(differing[want.Scenario], want.SourceOrderID+": "+difference+bodiesOf(notifications, &want))
		}
	}
	for _, want := range rows {
		delete(bySource, want.Gateway+" "+want.SourceOrderID)
	}
	if len(states) != len(rows) {
		t.Errorf("the ledger has %d orders, want %d; nobody told of %v", len(states), len(rows), slices.Sorted(maps.Keys(bySource)))
	}
	for _, scenario := range slices.Sorted(maps.Keys(differing)) {
		t.Errorf("%s: %d orders differ, such as\n%s", scenario, len(differing[scenario]), differing[scenario][0])
	}
}

// compare tells how an order differs from its row, in words.
func compare(got *order.State, want *simulate.Expected) string {
	if got == nil {
		return "the ledger does not have it"
	}
	var differences []string
	check := func(what, got, want string) {
		if got != want {
			differences = append(differences, fmt.Sprintf("%s is %s, want %s", what, got, want))
		}
	}
	check("merchant reference", got.MerchantReference, want.MerchantReference)
	currency := ""
	if want.Currency != nil {
		currency = *want.Currency
	}
	check("currency", got.Currency.Code(), currency)
	if p := want.Payout; p != nil {
		check("kind", string(got.Kind), string(order.KindPayout))
		check("payout state", string(got.Payout.Status), p.PayoutState)
		check("amount", got.Payout.Amount.String(), p.Amount)
		if paidOut := got.Payout.PaidOut; !paidOut.IsZero() || strings.Trim(p.PaidOut, "0.") != "" {
			check("paid out", paidOut.String(), p.PaidOut)
		}
		return strings.Join(differences, "; ")
	}
	check("test", fmt.Sprint(got.IsTest), fmt.Sprint(want.View == simulate.ViewTestOrders))
	check("figures", model.Summary(got), summary(want.Figures))
	return strings.Join(differences, "; ")
}

func summary(f *simulate.Figures) string {
	due := "?"
	if f.AmountDue != nil {
		due = *f.AmountDue
	}
	return fmt.Sprintf("due=%s auth=%s exp=%s cap=%s set=%s ext=%s rev=%s rp=%s ref=%s dh=%s dl=%s gross=%s net=%s over=%s %s/%s/%s/%s",
		due, f.Authorised, f.Expected, f.Captured, f.Settled, f.ReceivedExternally, f.Reversed, f.RefundPending, f.Refunded,
		f.DisputeHeld, f.DisputeLost, f.GrossPaid, f.Net, f.Overpaid, f.PaymentState, f.RefundState, f.DisputeState, f.Lifecycle)
}

// bodiesOf lists what the ledger was told about an order, for whoever has to
// find out who is wrong.
func bodiesOf(notifications []simulate.Notification, e *simulate.Expected) string {
	var b strings.Builder
	for _, n := range notifications {
		if n.Gateway == e.Gateway && (strings.Contains(string(n.Body), e.SourceOrderID) || strings.Contains(string(n.Body), e.MerchantReference)) {
			fmt.Fprintf(&b, "\n\t%s", n.Body)
		}
	}
	return b.String()
}
