package gatewaytest

import (
	"encoding/json"
	"testing"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// Fuzz starts from the bodies of testdata. Whatever the body, its translation does not panic, is the same
// every time, keeps only valid JSON, counts no negative amount, and is fit for the ledger: Decide takes it
// and, told again, decides nothing. A check of the gateway's own looks at what belongs to an order, unless
// it is nil.
func Fuzz(f *testing.F, translator commands.Translator, check func(*testing.T, []byte, commands.Translation)) {
	f.Helper()
	for _, body := range Bodies(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got := Translate(translator, string(body))
		if first, again := Dump(t, got), Dump(t, Translate(translator, string(body))); first != again {
			t.Fatalf("the same body means %s and %s", first, again)
		}
		translator.(commands.Partitioner).PartitionKey(body)
		if got.Evidence != nil && !json.Valid(got.Evidence) {
			t.Fatalf("evidence is no JSON: %q", got.Evidence)
		}
		if got.Rejection != nil {
			if len(got.Facts) > 0 || got.Rejection.Code == "" || got.Rejection.Detail == "" {
				t.Fatalf("rejection %+v with facts %+v", got.Rejection, got.Facts)
			}
			return
		}
		if check != nil {
			check(t, body, got)
		}
		if got.Question {
			return
		}
		if got.SourceOrderID == "" && len(got.SourcePaymentIDs)+len(got.MerchantReferences) == 0 {
			t.Fatal("a body that belongs to no order is not rejected")
		}
		if got.Uncountable != nil && (len(got.Facts) > 0 || got.Uncountable.Code == "" || got.Registration.AmountDue != nil) {
			t.Fatalf("uncountable %+v with facts %+v", got.Uncountable, got.Facts)
		}
		for _, fact := range got.Facts {
			checkFact(t, fact)
		}
		state := Fold(t, translator, []string{string(body), string(body) + " "})
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
