package protocol_test

import (
	"context"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/order-ledger/order-ledger/eventstore/esdbstore"
	"github.com/order-ledger/order-ledger/eventstore/eventstoretest"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
)

// TestProtocol_BehavesLikeModel compares random histories through the official client with the model.
func TestProtocol_BehavesLikeModel(t *testing.T) {
	t.Parallel()
	eventstoretest.RunModel(t, func() (eventstoretest.Specimen, error) {
		n, err := node.Open(node.Options{Dir: "log", FS: vfs.NewMem(), MemTableBytes: 256 << 10, CacheBytes: 2 << 20, LiveBufferBytes: 1 << 10})
		if err != nil {
			return eventstoretest.Specimen{}, err
		}
		s, err := protocol.Start(context.Background(), protocol.Options{Node: n, Listen: "127.0.0.1:0"})
		if err != nil {
			return eventstoretest.Specimen{}, errors.Join(err, n.Close())
		}
		store, err := esdbstore.Open(esdbstore.Options{ConnectionString: s.ConnectionString()})
		if err != nil {
			return eventstoretest.Specimen{}, errors.Join(err, s.Stop(), n.Close())
		}
		return eventstoretest.Specimen{
			Store: store,
			Close: func() error { return errors.Join(store.Close(), s.Stop(), n.Close()) },
		}, nil
	}, eventstoretest.Features{})
}
