package decta_test

import (
	"encoding/json"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// FuzzTranslate: whatever the body, the translation does not panic, is the same
// every time, keeps only valid JSON, counts no negative amount, and is fit for
// the ledger: Decide takes it and, told again, decides nothing.
func FuzzTranslate(f *testing.F) {
	for _, body := range gatewaytest.Bodies(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		translator := decta.New()
		got := translator.Translate(notification(string(body)))
		if first, again := gatewaytest.Dump(t, got), gatewaytest.Dump(t, translator.Translate(notification(string(body)))); first != again {
			t.Fatalf("the same body means %s and %s", first, again)
		}
		if key := translator.PartitionKey(body); got.Rejection == nil && key != got.SourceOrderID {
			t.Fatalf("partition %q of order %q", key, got.SourceOrderID)
		}
		if got.Evidence != nil && !json.Valid(got.Evidence) {
			t.Fatalf("evidence is no JSON: %q", got.Evidence)
		}
		if got.Rejection != nil {
			if len(got.Facts) > 0 || got.Rejection.Code == "" || got.Rejection.Detail == "" {
				t.Fatalf("rejection %+v with facts %+v", got.Rejection, got.Facts)
			}
			return
		}
		if got.SourceOrderID == "" {
			t.Fatal("a body that belongs to no order is not rejected")
		}
		if got.Uncountable != nil && (len(got.Facts) > 0 || got.Uncountable.Code == "" || got.Registration.AmountDue != nil) {
			t.Fatalf("uncountable %+v with facts %+v", got.Uncountable, got.Facts)
		}
		for _, fact := range got.Facts {
			checkFact(t, fact)
		}
		state := ledger(t, []string{string(body), string(body) + " "})
		if b := state.Balances(); b.Captured.IsNegative() || b.Reversed.IsNegative() || b.Refunded.IsNegative() || b.DisputeHeld.IsNegative() {
			t.Fatalf("balances %+v", b)
		}
	})
}

func checkFact(t *testing.T, fact order.Fact) {
	t.Helper()
	raw, err := json.Marshal(fact)
	if err != nil {
		t.Fatal(err)
	}
	var told struct {
		Key                                                              string
		Amount, Total, TakenBack, Refunded, Pending, Withdrawn, Returned *money.Money
	}
	if err := json.Unmarshal(raw, &told); err != nil {
		t.Fatal(err)
	}
	if told.Key == "" {
		t.Fatalf("%T has no key", fact)
	}
	for _, m := range []*money.Money{told.Amount, told.Total, told.TakenBack, told.Refunded, told.Pending, told.Withdrawn, told.Returned} {
		if m != nil && m.IsNegative() {
			t.Fatalf("%T has the amount %v", fact, m)
		}
	}
}
