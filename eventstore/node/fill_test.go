package node_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// The log of BenchmarkOpen consists of appends of a few small events.
const (
	openEventBytes = 200
	openPerAppend  = 4
)

// filler is text that compresses about as well as JSON events do.
func filler(n int) []byte {
	b := make([]byte, 0, n)
	for len(b) < n {
		b = fmt.Appendf(b, `{"order_id":%q,"amount":"12.50"},`, uuid.NewString())
	}
	return b[:n]
}

// appendMany appends events to streams of four by many callers, so that they share fsyncs.
func appendMany(n *node.Node, events int) error {
	const callers = 256
	body := filler(openEventBytes)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for failed.Load() == nil && next.Add(openPerAppend) <= int64(events) {
				batch := make([]eventstore.EventData, openPerAppend)
				for i := range batch {
					batch[i] = eventstore.EventData{ID: uuid.New(), Type: "order.payment.captured", JSON: true, Data: body}
				}
				if _, err := n.Append(context.Background(), "order-"+uuid.NewString(), eventstore.NoStream, batch...); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
