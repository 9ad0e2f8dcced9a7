package protocol_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
)

// wire is a test that speaks the protocol's messages.
type wire struct {
	*testing.T
	ctx     context.Context
	node    *node.Node
	server  *protocol.Server
	conn    *grpc.ClientConn
	streams streams.StreamsClient
}

func newWire(t *testing.T) *wire {
	t.Helper()
	t.Parallel()
	return newWireTo(t, protocol.Options{})
}

// newWireTo connects to a server with options, whose node is a new one.
func newWireTo(t *testing.T, o protocol.Options) *wire {
	t.Helper()
	o.Node = openNode(t)
	s := serve(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	conn, err := grpc.NewClient(s.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(17<<20), grpc.MaxCallSendMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &wire{T: t, ctx: ctx, node: o.Node, server: s, conn: conn, streams: streams.NewStreamsClient(conn)}
}

func identifier(stream string) *shared.StreamIdentifier {
	return &shared.StreamIdentifier{StreamName: []byte(stream)}
}

func wireID(id uuid.UUID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}}
}

func appendOptions(stream string, expected any) *streams.AppendReq {
	o := &streams.AppendReq_Options{StreamIdentifier: identifier(stream)}
	switch e := expected.(type) {
	case uint64:
		o.ExpectedStreamRevision = &streams.AppendReq_Options_Revision{Revision: e}
	case string:
		switch e {
		case "any":
			o.ExpectedStreamRevision = &streams.AppendReq_Options_Any{Any: &shared.Empty{}}
		case "none":
			o.ExpectedStreamRevision = &streams.AppendReq_Options_NoStream{NoStream: &shared.Empty{}}
		case "exists":
			o.ExpectedStreamRevision = &streams.AppendReq_Options_StreamExists{StreamExists: &shared.Empty{}}
		}
	}
	return &streams.AppendReq{Content: &streams.AppendReq_Options_{Options: o}}
}

func proposal(data []byte, change ...func(*streams.AppendReq_ProposedMessage)) *streams.AppendReq {
	p := &streams.AppendReq_ProposedMessage{
		Id: wireID(uuid.New()), Data: data,
		Metadata: map[string]string{"type": "Tested", "content-type": "application/octet-stream"},
	}
	for _, c := range change {
		c(p)
	}
	return &streams.AppendReq{Content: &streams.AppendReq_ProposedMessage_{ProposedMessage: p}}
}

// send makes one Append call out of messages. It tolerates that the server has
// ended the call: what counts is the answer.
func (w *wire) send(messages ...*streams.AppendReq) (*streams.AppendResp, metadata.MD, error) {
	w.Helper()
	var trailers metadata.MD
	call, err := w.streams.Append(w.ctx, grpc.Trailer(&trailers))
	if err != nil {
		w.Fatal(err)
	}
	for i, m := range messages {
		if err := call.Send(m); err != nil {
			w.Errorf("message %d of %d could not be sent: %v", i, len(messages), err)
			break
		}
	}
	resp, err := call.CloseAndRecv()
	return resp, trailers, err
}

// fill appends n events to a stream.
func (w *wire) fill(stream string, n int) {
	w.Helper()
	for i := range n {
		if _, _, err := w.send(appendOptions(stream, "any"), proposal(fmt.Appendf(nil, "%d", i))); err != nil {
			w.Fatal(err)
		}
	}
}

// read makes a counted read or takes the first n messages of a subscription.
func (w *wire) read(o *streams.ReadReq_Options, n int) ([]*streams.ReadResp, metadata.MD, error) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	call, err := w.streams.Read(ctx, &streams.ReadReq{Options: o})
	if err != nil {
		w.Fatal(err)
	}
	var out []*streams.ReadResp
	for len(out) < n {
		m, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return out, call.Trailer(), nil
		}
		if err != nil {
			return out, call.Trailer(), err
		}
		out = append(out, m)
	}
	return out, nil, nil
}

const everyMessage = 1 << 20

type readOption func(*streams.ReadReq_Options)

func readOptions(change ...readOption) *streams.ReadReq_Options {
	o := &streams.ReadReq_Options{
		FilterOption: &streams.ReadReq_Options_NoFilter{NoFilter: &shared.Empty{}},
		CountOption:  &streams.ReadReq_Options_Count{Count: everyMessage},
		UuidOption:   &streams.ReadReq_Options_UUIDOption{Content: &streams.ReadReq_Options_UUIDOption_Structured{Structured: &shared.Empty{}}},
	}
	for _, c := range change {
		c(o)
	}
	return o
}

func ofStream(stream string, revision any) readOption {
	return func(o *streams.ReadReq_Options) {
		s := &streams.ReadReq_Options_StreamOptions{StreamIdentifier: identifier(stream)}
		switch r := revision.(type) {
		case uint64:
			s.RevisionOption = &streams.ReadReq_Options_StreamOptions_Revision{Revision: r}
		case string:
			s.RevisionOption = &streams.ReadReq_Options_StreamOptions_Start{Start: &shared.Empty{}}
			if r == "end" {
				s.RevisionOption = &streams.ReadReq_Options_StreamOptions_End{End: &shared.Empty{}}
			}
		}
		o.StreamOption = &streams.ReadReq_Options_Stream{Stream: s}
	}
}

func ofAll(position any) readOption {
	return func(o *streams.ReadReq_Options) {
		s := &streams.ReadReq_Options_AllOptions{}
		switch p := position.(type) {
		case [2]uint64:
			s.AllOption = &streams.ReadReq_Options_AllOptions_Position{
				Position: &streams.ReadReq_Options_Position{CommitPosition: p[0], PreparePosition: p[1]},
			}
		case string:
			s.AllOption = &streams.ReadReq_Options_AllOptions_Start{Start: &shared.Empty{}}
			if p == "end" {
				s.AllOption = &streams.ReadReq_Options_AllOptions_End{End: &shared.Empty{}}
			}
		}
		o.StreamOption = &streams.ReadReq_Options_All{All: s}
	}
}

func backwards(o *streams.ReadReq_Options) { o.ReadDirection = streams.ReadReq_Options_Backwards }

func resolving(o *streams.ReadReq_Options) { o.ResolveLinks = true }

func subscribing(o *streams.ReadReq_Options) {
	o.CountOption = &streams.ReadReq_Options_Subscription{Subscription: &streams.ReadReq_Options_SubscriptionOptions{}}
}

func filtered(f *streams.ReadReq_Options_FilterOptions) readOption {
	return func(o *streams.ReadReq_Options) { o.FilterOption = &streams.ReadReq_Options_Filter{Filter: f} }
}

// wantStatus compares a status and the trailers that matter.
func (w *wire) wantStatus(what string, err error, code codes.Code, trailers metadata.MD, want map[string]string) {
	w.Helper()
	if status.Code(err) != code {
		w.Errorf("%s: got %v, want %s", what, err, code)
	}
	got := map[string]string{}
	for key := range want {
		if v := trailers.Get(key); len(v) == 1 {
			got[key] = v[0]
		}
	}
	if !maps.Equal(got, want) {
		w.Errorf("%s: trailers %v, want %v", what, got, want)
	}
}
