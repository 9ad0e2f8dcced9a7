package connectpay_test

import (
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/connectpay"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
)

func FuzzTranslate(f *testing.F) { gatewaytest.Fuzz(f, connectpay.New(), nil) }
