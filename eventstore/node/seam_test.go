package node_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// TestNode_LiveSeam lets a subscription fall behind the newest events in memory by every small number of
// them: what is not in memory any more comes from the disk, and nothing is lost or repeated between.
func TestNode_LiveSeam(t *testing.T) {
	t.Parallel()
	const inMemory = 3 // about as many frames as fit
	event := func() eventstore.EventData {
		e := newEvent("Seam")
		e.Data = make([]byte, 900)
		return e
	}
	n := open(t, node.Options{Dir: "log", FS: vfs.NewMem(), LiveBufferBytes: inMemory << 10})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	subscriptions := map[string]iter.Seq2[eventstore.Message, error]{
		"All":      n.SubscribeAll(ctx, eventstore.AllSubscription{}),
		"Filtered": n.SubscribeAll(ctx, eventstore.AllSubscription{Filter: eventstore.Filter{StreamPrefixes: []string{"s"}}}),
		"Stream":   n.SubscribeStream(ctx, "s", nil),
	}
	type subscription struct {
		next func() (eventstore.Message, error, bool)
	}
	followers := map[string]subscription{}
	for name, seq := range subscriptions {
		next, stop := iter.Pull2(seq)
		defer stop()
		followers[name] = subscription{next}
	}
	written := uint64(0)
	for round := range 4 * inMemory {
		for range round/2 + 1 {
			if _, err := n.Append(ctx, "s", eventstore.Any, event()); err != nil {
				t.Fatal(err)
			}
		}
		for name, s := range followers {
			for want := written + 1; want <= written+uint64(round/2+1); {
				m, err, _ := s.next()
				if err != nil {
					t.Fatalf("%s: waiting for position %d: %v", name, want, err)
				}
				if e, ok := m.(eventstore.EventAppeared); ok {
					if e.Event.Position.Commit != want {
						t.Fatalf("%s: position %d, want %d", name, e.Event.Position.Commit, want)
					}
					want++
				}
			}
		}
		written += uint64(round/2 + 1)
	}
}
