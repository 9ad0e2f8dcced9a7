package decta_test

import (
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
)

// BenchmarkTranslate is what a body costs, with its evidence and the search for card numbers.
func BenchmarkTranslate(b *testing.B) {
	translator := decta.New()
	for name, body := range gatewaytest.Bodies(b) {
		b.Run(name, func(b *testing.B) {
			n := notification(string(body))
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				translator.Translate(n)
			}
		})
	}
}
