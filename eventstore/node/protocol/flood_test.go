package protocol_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
)

// Events of nothing, which nobody finishes to send. Without a bound they take more than heapMax.
const (
	floodBudget = 4 << 20
	floodCalls  = 16
	floodEvents = 15_000 // of each call
	heapMax     = 20 << 20
)

func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// mustTakeAppends waits until the memory of the flood was given back.
func (w *wire) mustTakeAppends() {
	w.Helper()
	for {
		_, _, err := w.send(appendOptions("after", "any"), proposal([]byte("x")))
		if err == nil {
			return
		}
		if status.Code(err) != codes.Unavailable || w.ctx.Err() != nil {
			w.Fatalf("append after the flood: %v", err)
		}
		runtime.Gosched()
	}
}

// The tests of floods measure the heap and do not run beside others.

// TestFlood_OfUnfinishedBatches: batches that never become final take bounded memory, all calls together.
func TestFlood_OfUnfinishedBatches(t *testing.T) {
	w := newWireTo(t, protocol.Options{AppendBytes: floodBudget})
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	bodies := make([]string, 5_000)
	before := heap()
	refused := 0
	for range floodCalls {
		call, err := w.streams.BatchAppend(ctx)
		if err != nil {
			t.Fatal(err)
		}
		unfinished, last := uuid.New(), uuid.New()
		for range floodEvents / len(bodies) {
			if err := call.Send(&streams.BatchAppendReq{
				CorrelationId: wireID(unfinished), Options: batchOptions("s"), ProposedMessages: batchEvents(bodies...),
			}); err != nil {
				t.Fatal(err)
			}
		}
		// Its answer tells that all before it was received.
		if err := call.Send(&streams.BatchAppendReq{
			CorrelationId: wireID(last), Options: batchOptions("s"), ProposedMessages: batchEvents("x"), IsFinal: true,
		}); err != nil {
			t.Fatal(err)
		}
		answer, err := call.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if answer.GetError().GetCode() == int32(codes.Unavailable) {
			refused++
		}
	}
	if grown := int64(heap()) - int64(before); grown > heapMax {
		t.Errorf("the heap grew by %d MiB, %d calls were refused", grown>>20, refused)
	}
	cancel()
	w.mustTakeAppends()
}

// TestFlood_OfUnfinishedAppends: the same for appends, which are refused with the documented status.
func TestFlood_OfUnfinishedAppends(t *testing.T) {
	w := newWireTo(t, protocol.Options{AppendBytes: floodBudget})
	before := heap()
	calls := make([]streams.Streams_AppendClient, floodCalls)
	var sending sync.WaitGroup
	for i := range calls {
		call, err := w.streams.Append(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		calls[i] = call
		sending.Go(func() {
			for n := range floodEvents {
				m := appendOptions("s", "any")
				if n > 0 {
					m = proposal(nil)
				}
				if err := call.Send(m); err != nil {
					t.Errorf("event %d could not be sent: %v", n, err)
					return
				}
			}
		})
	}
	sending.Wait()
	if grown := int64(heap()) - int64(before); grown > heapMax {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	refused := 0
	for _, call := range calls {
		if _, err := call.CloseAndRecv(); status.Code(err) == codes.Unavailable {
			refused++
		} else if err != nil {
			t.Errorf("append: %v", err)
		}
	}
	if refused == 0 {
		t.Error("no append was refused")
	}
	w.mustTakeAppends()
	if _, err := w.node.StreamMetadata(w.ctx, "s"); err == nil {
		t.Error("metadata out of nowhere")
	}
	for e, err := range w.node.ReadStream(w.ctx, "s", eventstore.StreamRead{Direction: eventstore.Backwards, Count: 1}) {
		if err == nil && (e.Revision+1)%(floodEvents-1) != 0 {
			t.Errorf("the stream ends at revision %d: an append is not whole", e.Revision)
		}
	}
}
