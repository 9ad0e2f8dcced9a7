package decta_test

import (
	"flag"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/gatewaytest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestTranslate_Golden translates bodies as the gateway's documents show them.
func TestTranslate_Golden(t *testing.T) {
	t.Parallel()
	gatewaytest.Golden(t, *update, translate)
}
