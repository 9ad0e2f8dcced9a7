package decta_test

import (
	"testing"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
)

func FuzzTranslate(f *testing.F) {
	gatewaytest.Fuzz(f, decta.New(), func(t *testing.T, body []byte, got commands.Translation) {
		if key := decta.New().PartitionKey(body); got.SourceOrderID == "" || key != got.SourceOrderID {
			t.Fatalf("partition %q of order %q", key, got.SourceOrderID)
		}
	})
}
