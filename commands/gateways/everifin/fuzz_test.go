package everifin_test

import (
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/everifin"
	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
)

func FuzzTranslate(f *testing.F) { gatewaytest.Fuzz(f, everifin.New(), nil) }
