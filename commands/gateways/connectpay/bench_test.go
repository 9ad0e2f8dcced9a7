package connectpay_test

import (
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/connectpay"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
)

func BenchmarkTranslate(b *testing.B) { gatewaytest.Benchmark(b, connectpay.New()) }
