package node_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/order-ledger/order-ledger/eventstore/eventstoretest"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// TestNode_BehavesLikeModel compares random histories with the model: with little memory, so that flushes,
// evictions and the end of the live buffer happen all the time, and with as many appends in a group as come.
func TestNode_BehavesLikeModel(t *testing.T) {
	t.Parallel()
	little := node.Options{Dir: "log", MemTableBytes: 256 << 10, CacheBytes: 2 << 20, LiveBufferBytes: 1 << 10}
	single := little
	single.MaxGroupAppends, single.CachedHeads = 1, 1
	few := little
	few.MaxGroupAppends, few.CachedHeads = 3, 1
	for name, options := range map[string]node.Options{"SingleAppends": single, "SmallGroups": few, "Groups": little} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eventstoretest.RunModel(t, func() (eventstoretest.Specimen, error) { return newSpecimen(options) },
				eventstoretest.Features{KnowsIdempotent: true})
		})
	}
}

func newSpecimen(o node.Options) (eventstoretest.Specimen, error) {
	fs := vfs.NewMem()
	o.FS = fs
	n, err := node.Open(o)
	if err != nil {
		return eventstoretest.Specimen{}, err
	}
	return eventstoretest.Specimen{
		Store: n,
		Reopen: func(events int) (eventstoretest.Subject, error) {
			if err := n.Close(); err != nil {
				return nil, err
			}
			report, err := node.VerifyFS(context.Background(), fs, o.Dir, nil)
			if err != nil {
				return nil, err
			}
			if !report.OK() || report.Events != uint64(events) {
				return nil, fmt.Errorf("verify: %+v; model has %d events", report, events)
			}
			n, err = node.Open(o)
			return n, err
		},
		Close: func() error { return n.Close() },
	}, nil
}
