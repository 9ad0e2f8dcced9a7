package node_test

import (
	"testing"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/eventstoretest"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

func TestNode_Conformance(t *testing.T) {
	t.Parallel()
	eventstoretest.Run(t, func(t *testing.T) eventstore.Store {
		return open(t, node.Options{Dir: t.TempDir()})
	}, eventstoretest.Features{KnowsIdempotent: true, KnowsActual: true, CheckpointsWhenCaughtUp: true, UndeletesAtOnce: true, DeletesWhatExists: true, OwnLog: true})
}

// open opens a node that is closed at the end of the test at the latest.
func open(t testing.TB, opts node.Options) *node.Node {
	t.Helper()
	n, err := node.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return n
}
