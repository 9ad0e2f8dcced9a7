package everifin_test

import (
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/everifin"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
)

func BenchmarkTranslate(b *testing.B) {
	translator := everifin.New()
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
