package protocol_test

import (
	"os"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/esdbstore"
	"github.com/order-ledger/order-ledger/eventstore/eventstoretest"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
)

// openNode opens a node in memory that is closed at the end of the test.
func openNode(t testing.TB) *node.Node {
	t.Helper()
	n, err := node.Open(node.Options{Dir: "log", FS: vfs.NewMem(), CacheBytes: 16 << 20, MemTableBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close node: %v", err)
		}
	})
	return n
}

// serve starts a node behind its protocol.
func serve(t testing.TB, o protocol.Options) *protocol.Server {
	t.Helper()
	if o.Node == nil {
		o.Node = openNode(t)
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	s, err := protocol.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s
}

func connect(t testing.TB, connection string) eventstore.Store {
	t.Helper()
	s, err := esdbstore.Open(esdbstore.Options{ConnectionString: connection})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestProtocol_Conformance runs the port's suite against the node through the
// official client, each test with a node of its own.
func TestProtocol_Conformance(t *testing.T) {
	t.Parallel()
	eventstoretest.Run(t, func(t *testing.T) eventstore.Store {
		return connect(t, serve(t, protocol.Options{}).ConnectionString())
	}, embedded())
}

// embedded are the node's known differences from a real server.
func embedded() eventstoretest.Features {
	return eventstoretest.Features{
		KnowsActual: true, CheckpointsWhenCaughtUp: true,
		RemembersIDs: true, OnlyWhatWasWritten: true, UndeletesAtOnce: true, DeletesWhatExists: true, OwnLog: true,
	}
}

// TestProtocol_StockClient runs what only a stock client sees.
func TestProtocol_StockClient(t *testing.T) {
	t.Parallel()
	eventstoretest.RunStock(t, func(t *testing.T) string { return serve(t, protocol.Options{}).ConnectionString() }, embedded())
}

// TestRealServer_Conformance runs it against any server that
// LEDGER_TEST_ESDB names by a connection string.
func TestRealServer_Conformance(t *testing.T) {
	t.Parallel()
	connection := os.Getenv("LEDGER_TEST_ESDB")
	if connection == "" {
		t.Skip("LEDGER_TEST_ESDB is not set: no real EventStoreDB to test against")
	}
	runAgainst(t, connection)
}

// runAgainst runs everything against one server that others use too.
func runAgainst(t *testing.T, connection string) {
	t.Helper()
	t.Run("Port", func(t *testing.T) {
		eventstoretest.Run(t, func(t *testing.T) eventstore.Store { return connect(t, connection) },
			eventstoretest.Features{KnowsActual: true})
	})
	t.Run("StockClient", func(t *testing.T) {
		eventstoretest.RunStock(t, func(*testing.T) string { return connection }, eventstoretest.Features{})
	})
}
