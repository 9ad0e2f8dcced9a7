package connectpay_test

import (
	"encoding/json"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/connectpay"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
)

// FuzzTranslate: whatever the body, the translation does not panic, is the same every time, keeps
// only valid JSON, and counts no negative amount.
func FuzzTranslate(f *testing.F) {
	for _, body := range gatewaytest.Bodies(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		translator := connectpay.New()
		got := translator.Translate(notification(string(body)))
		if again := translator.Translate(notification(string(body))); gatewaytest.Dump(t, got) != gatewaytest.Dump(t, again) {
			t.Fatalf("the same body means %s and %s", gatewaytest.Dump(t, got), gatewaytest.Dump(t, again))
		}
		translator.PartitionKey(body)
		if got.Evidence != nil && !json.Valid(got.Evidence) {
			t.Fatalf("evidence is no JSON: %q", got.Evidence)
		}
		if got.Rejection != nil {
			if len(got.Facts) > 0 || got.Rejection.Code == "" || got.Rejection.Detail == "" {
				t.Fatalf("rejection %+v with facts %+v", got.Rejection, got.Facts)
			}
			return
		}
		if got.SourceOrderID == "" && len(got.SourcePaymentIDs)+len(got.MerchantReferences) == 0 && !got.Question {
			t.Fatal("a body that belongs to no order is not rejected")
		}
		for _, fact := range got.Facts {
			checkFact(t, fact)
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
		Key    string
		Amount *money.Money
	}
	if err := json.Unmarshal(raw, &told); err != nil {
		t.Fatal(err)
	}
	if told.Key == "" || told.Amount != nil && told.Amount.IsNegative() {
		t.Fatalf("%T has key %q and amount %v", fact, told.Key, told.Amount)
	}
}
