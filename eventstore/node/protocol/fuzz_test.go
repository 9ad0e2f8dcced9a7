package protocol_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
)

// rawCodec sends bytes as they are.
type rawCodec struct{}

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func (rawCodec) Name() string { return "proto" }

// methods are all that the fuzzer calls; each gets its bytes twice, as a stream
// of two messages where it takes one.
func methods() []string {
	return []string{
		streams.Streams_Append_FullMethodName, streams.Streams_Read_FullMethodName, streams.Streams_Delete_FullMethodName,
		streams.Streams_Tombstone_FullMethodName, streams.Streams_BatchAppend_FullMethodName,
		persistent.PersistentSubscriptions_Create_FullMethodName, persistent.PersistentSubscriptions_Update_FullMethodName,
		persistent.PersistentSubscriptions_Delete_FullMethodName, persistent.PersistentSubscriptions_Read_FullMethodName,
		persistent.PersistentSubscriptions_GetInfo_FullMethodName, persistent.PersistentSubscriptions_ReplayParked_FullMethodName,
		persistent.PersistentSubscriptions_List_FullMethodName,
	}
}

// FuzzRequests sends arbitrary bytes to every method. The server answers with
// some status and goes on working; a handler that panics is caught and fails
// the test by its log line.
func FuzzRequests(f *testing.F) {
	seed := func(method uint8, first, second proto.Message) {
		var data [2][]byte
		for i, m := range []proto.Message{first, second} {
			if m == nil {
				continue
			}
			b, err := proto.Marshal(m)
			if err != nil {
				f.Fatal(err)
			}
			data[i] = b
		}
		f.Add(method, data[0], data[1])
	}
	seed(0, appendOptions("s", "any"), proposal([]byte("x")))
	seed(1, &streams.ReadReq{Options: readOptions(ofAll([2]uint64{1, 1}), resolving)}, nil)
	seed(1, &streams.ReadReq{Options: readOptions(ofStream("s", uint64(1)), subscribing)}, nil)
	seed(2, &streams.DeleteReq{Options: &streams.DeleteReq_Options{StreamIdentifier: identifier("s")}}, nil)
	seed(4, &streams.BatchAppendReq{CorrelationId: wireID(uuid.Nil), Options: batchOptions("s"), ProposedMessages: batchEvents("x"), IsFinal: true}, nil)
	seed(5, &persistent.CreateReq{Options: &persistent.CreateReq_Options{
		GroupName: "g", Settings: &persistent.CreateReq_Settings{HistoryBufferSize: 20, ReadBatchSize: 10, ConsumerStrategy: "Pinned"},
		StreamOption: &persistent.CreateReq_Options_All{All: &persistent.CreateReq_AllOptions{
			AllOption:    &persistent.CreateReq_AllOptions_Start{Start: &shared.Empty{}},
			FilterOption: &persistent.CreateReq_AllOptions_Filter{Filter: &persistent.CreateReq_AllOptions_FilterOptions{}},
		}},
	}}, nil)
	readGroup := &persistent.ReadReq{Content: &persistent.ReadReq_Options_{Options: &persistent.ReadReq_Options{
		GroupName: "g", BufferSize: 3, StreamOption: &persistent.ReadReq_Options_All{All: &shared.Empty{}},
	}}}
	seed(8, readGroup, &persistent.ReadReq{Content: &persistent.ReadReq_Ack_{Ack: &persistent.ReadReq_Ack{Ids: []*shared.UUID{{}}}}})
	seed(9, &persistent.GetInfoReq{Options: &persistent.GetInfoReq_Options{GroupName: "g"}}, nil)

	n := openNode(f)
	panics := &countingHandler{}
	s := serve(f, protocol.Options{Node: n, Logger: panics.logger()})
	conn, err := grpc.NewClient(s.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = conn.Close() })
	f.Fuzz(func(t *testing.T, method uint8, first, second []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond) // subscriptions do not end by themselves
		defer cancel()
		name := methods()[int(method)%len(methods())]
		call, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, name, grpc.ForceCodecV2(rawCodec{}))
		if err != nil {
			return
		}
		_ = call.SendMsg(&first)
		if len(second) > 0 {
			_ = call.SendMsg(&second)
		}
		_ = call.CloseSend()
		for err == nil {
			var answer []byte
			err = call.RecvMsg(&answer)
		}
		if panics.count.Load() > 0 {
			t.Fatalf("%s panicked: %v", name, err)
		}
		// Bytes that are no message are answered by the library as an internal error; an answer that
		// could not be encoded would be one of ours.
		if status.Code(err) == codes.Internal && strings.Contains(err.Error(), "error while marshaling") {
			t.Fatalf("%s: %v", name, err)
		}
		event := eventstore.EventData{ID: uuid.New(), Type: "T"}
		if _, err := n.Append(t.Context(), "alive", eventstore.Any, event); err != nil {
			t.Fatalf("the node does not work any more: %v", err)
		}
	})
}
