package decta_test

import (
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
)

func BenchmarkTranslate(b *testing.B) { gatewaytest.Benchmark(b, decta.New()) }
