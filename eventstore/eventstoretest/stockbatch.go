package eventstoretest

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"net/url"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
)

// batches opens a BatchAppend call, which clients of other languages use and this one does not.
func (s *stock) batches() streams.Streams_BatchAppendClient {
	s.Helper()
	config, err := esdb.ParseConnectionString(s.connection)
	if err != nil {
		s.Fatal(err)
	}
	u, err := url.Parse(s.connection)
	if err != nil || config.Address == "" {
		s.Skip("the server is not one address")
	}
	transport, ctx := insecure.NewCredentials(), s.ctx
	if !config.DisableTLS {
		transport = credentials.NewTLS(&tls.Config{RootCAs: config.RootCAs, MinVersion: tls.VersionTLS12})
		basic := base64.StdEncoding.EncodeToString([]byte(config.Username + ":" + config.Password))
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Basic "+basic)
	}
	conn, err := grpc.NewClient(u.Host, grpc.WithTransportCredentials(transport))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithCancel(ctx)
	s.Cleanup(cancel)
	call, err := streams.NewStreamsClient(conn).BatchAppend(ctx)
	if err != nil {
		s.Fatal(err)
	}
	return call
}

// batch sends one batch in two messages and waits for its answer.
func (s *stock) batch(call streams.Streams_BatchAppendClient, stream string, expected func(*streams.BatchAppendReq_Options), bodies ...string) *streams.BatchAppendResp {
	s.Helper()
	id := &shared.UUID{Value: &shared.UUID_String_{String_: uuid.NewString()}}
	options := &streams.BatchAppendReq_Options{
		StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(stream)},
		DeadlineOption:   &streams.BatchAppendReq_Options_Deadline{Deadline: durationpb.New(20 * time.Second)},
	}
	expected(options)
	for i, body := range bodies {
		req := &streams.BatchAppendReq{CorrelationId: id, IsFinal: i == len(bodies)-1, ProposedMessages: []*streams.BatchAppendReq_ProposedMessage{{
			Id: &shared.UUID{Value: &shared.UUID_String_{String_: uuid.NewString()}}, Data: []byte(body),
			Metadata: map[string]string{"type": "Batched", "content-type": "application/octet-stream"},
		}}}
		if i == 0 {
			req.Options = options
		}
		if err := call.Send(req); err != nil {
			s.Fatalf("send: %v", err)
		}
	}
	answer, err := call.Recv()
	if err != nil {
		s.Fatalf("answer: %v", err)
	}
	return answer
}

func expectAny(o *streams.BatchAppendReq_Options) {
	o.ExpectedStreamPosition = &streams.BatchAppendReq_Options_Any{Any: &emptypb.Empty{}}
}

func expectNoStream(o *streams.BatchAppendReq_Options) {
	o.ExpectedStreamPosition = &streams.BatchAppendReq_Options_NoStream{NoStream: &emptypb.Empty{}}
}

// stockBatch: many appends over one call, each whole.
func stockBatch(s *stock) {
	call, stream := s.batches(), s.stream("s")
	for i := range uint64(3) {
		answer := s.batch(call, stream, expectAny, "a", "b")
		if got := answer.GetSuccess().GetCurrentRevision(); answer.GetSuccess() == nil || got != 2*i+1 {
			s.Errorf("batch %d: %v", i, answer)
		}
	}
	if got := s.mustRead(stream, false); len(got) != 6 || got[5].Event.EventType != "Batched" {
		s.Errorf("%d events, want 6", len(got))
	}
}

func stockBatchErrors(s *stock) {
	call, stream := s.batches(), s.stream("s")
	s.append(stream, "T", "0")
	if answer := s.batch(call, stream, expectNoStream, "a"); answer.GetError().GetCode() != int32(codes.AlreadyExists) {
		s.Errorf("wrong expected revision: %v", answer)
	}
	gone := s.stream("gone")
	if _, err := s.client.TombstoneStream(s.ctx, gone, esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}}); err != nil {
		s.Fatal(err)
	}
	if answer := s.batch(call, gone, expectAny, "a"); answer.GetError().GetCode() != int32(codes.NotFound) {
		s.Errorf("tombstoned stream: %v", answer)
	}
	if answer := s.batch(call, stream, expectAny, "still"); answer.GetSuccess() == nil {
		s.Errorf("a batch after others that failed: %v", answer)
	}
}
