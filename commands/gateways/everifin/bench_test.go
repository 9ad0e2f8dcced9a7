package everifin_test

import (
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/everifin"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
)

func BenchmarkTranslate(b *testing.B) { gatewaytest.Benchmark(b, everifin.New()) }
