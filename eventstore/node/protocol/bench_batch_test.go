//go:build unix

package protocol_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
)

// BatchAppend answers every batch of one message from memory or, with a disk, once it is synced together
// with those that arrived before it was.
func (n *nothing) BatchAppend(call streams.Streams_BatchAppendServer) error {
	answers := make(chan *streams.BatchAppendReq, syncQueue)
	sent := make(chan error, 1)
	go func() {
		var failed error
		for req := range answers {
			group, size := []*streams.BatchAppendReq{req}, 0
			for len(answers) > 0 {
				group = append(group, <-answers)
			}
			for _, req := range group {
				for _, p := range req.GetProposedMessages() {
					size += len(p.GetData())
				}
			}
			if n.disk != nil {
				failed = errors.Join(failed, n.disk.write(size))
			}
			for _, req := range group {
				p := n.position.Add(1)
				failed = errors.Join(failed, call.Send(&streams.BatchAppendResp{
					CorrelationId: req.GetCorrelationId(), StreamIdentifier: req.GetOptions().GetStreamIdentifier(),
					Result: &streams.BatchAppendResp_Success_{Success: &streams.BatchAppendResp_Success{
						CurrentRevisionOption: &streams.BatchAppendResp_Success_CurrentRevision{CurrentRevision: p},
						PositionOption: &streams.BatchAppendResp_Success_Position{
							Position: &shared.AllStreamPosition{CommitPosition: p, PreparePosition: p},
						},
					}},
				}))
			}
		}
		sent <- failed
	}()
	for {
		req, err := call.Recv()
		if err != nil {
			close(answers)
			failed := <-sent
			if errors.Is(err, io.EOF) {
				return failed
			}
			return err
		}
		answers <- req
	}
}

// BenchmarkBatchAppend compares appends as the clients of other languages make them: all over one call, a
// number of them under way.
func BenchmarkBatchAppend(b *testing.B) {
	for _, underWay := range []int{64, 256} {
		for _, events := range []int{1, 10, 100} {
			b.Run(fmt.Sprintf("under-way=%d/events=%d", underWay, events), func(b *testing.B) {
				children := startServers(b)
				var calls [len(servers{})]streams.Streams_BatchAppendClient
				for i := range calls {
					calls[i] = batchCall(b, children[i].address)
				}
				perTurn := 20 * max(underWay, 1000/events)
				compare(b, children, "appends/s", perTurn, func(server int) (time.Duration, []time.Duration) {
					return batchRound(b, calls[server], underWay, events, perTurn)
				})
			})
		}
	}
}

func batchCall(b *testing.B, address string) streams.Streams_BatchAppendClient {
	b.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	call, err := streams.NewStreamsClient(conn).BatchAppend(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return call
}

// batchRound makes n appends to as many streams as may be under way, and returns the time of the whole and
// of each.
func batchRound(b *testing.B, call streams.Streams_BatchAppendClient, underWay, events, n int) (took time.Duration, each []time.Duration) {
	b.Helper()
	began := make([]time.Time, n)
	free := make(chan struct{}, underWay)
	start := time.Now()
	go func() {
		for i := range n {
			free <- struct{}{}
			began[i] = time.Now()
			if err := call.Send(&streams.BatchAppendReq{
				CorrelationId: &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{LeastSignificantBits: int64(i)}}},
				Options: &streams.BatchAppendReq_Options{
					StreamIdentifier:       identifier(fmt.Sprintf("order-%d", i%underWay)),
					ExpectedStreamPosition: &streams.BatchAppendReq_Options_Any{Any: &emptypb.Empty{}},
				},
				ProposedMessages: benchmarkBatch(events), IsFinal: true,
			}); err != nil {
				b.Error(err)
				return
			}
		}
	}()
	each = make([]time.Duration, 0, n)
	for range n {
		answer, err := call.Recv()
		if err != nil || answer.GetSuccess() == nil {
			b.Fatalf("append: %v, %v", answer, err)
		}
		each = append(each, time.Since(began[answer.GetCorrelationId().GetStructured().GetLeastSignificantBits()]))
		<-free
	}
	return time.Since(start), each
}

func benchmarkBatch(events int) []*streams.BatchAppendReq_ProposedMessage {
	out := make([]*streams.BatchAppendReq_ProposedMessage, events)
	for i := range out {
		out[i] = &streams.BatchAppendReq_ProposedMessage{
			Id: wireID(uuid.New()), Data: make([]byte, benchmarkBody), CustomMetadata: []byte(`{}`),
			Metadata: map[string]string{"type": "Benchmarked", "content-type": "application/json"},
		}
	}
	return out
}
