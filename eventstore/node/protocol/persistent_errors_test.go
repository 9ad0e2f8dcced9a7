package protocol_test

import (
	"errors"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

func TestPersistent_Errors(t *testing.T) {
	g := newGroups(t)
	g.create("s", settings(func(s *esdb.PersistentSubscriptionSettings) { s.MaxSubscriberCount = 1 }), esdb.Start{})
	wantCode := func(what string, err error, code esdb.ErrorCode) {
		t.Helper()
		var e *esdb.Error
		if !errors.As(err, &e) || e.Code() != code {
			t.Errorf("%s: %v, want code %d", what, err, code)
		}
	}
	wantCode("second create", g.client.CreatePersistentSubscription(g.ctx, "s", "g", esdb.PersistentStreamSubscriptionOptions{}),
		esdb.ErrorCodeResourceAlreadyExists)
	wantCode("update of none", g.client.UpdatePersistentSubscription(g.ctx, "s", "none", esdb.PersistentStreamSubscriptionOptions{}),
		esdb.ErrorCodeResourceNotFound)
	wantCode("delete of none", g.client.DeletePersistentSubscription(g.ctx, "s", "none", esdb.DeletePersistentSubscriptionOptions{}),
		esdb.ErrorCodeResourceNotFound)
	wantCode("replay of none", g.client.ReplayParkedMessages(g.ctx, "s", "none", esdb.ReplayParkedMessagesOptions{}),
		esdb.ErrorCodeResourceNotFound)
	_, err := g.client.GetPersistentSubscriptionInfo(g.ctx, "s", "none", esdb.GetPersistentSubscriptionOptions{})
	wantCode("info of none", err, esdb.ErrorCodeResourceNotFound)
	_, err = g.client.SubscribeToPersistentSubscription(g.ctx, "s", "none", esdb.SubscribeToPersistentSubscriptionOptions{})
	wantCode("consumer of none", err, esdb.ErrorCodeResourceNotFound)

	sub := g.connect("s", 5)
	if _, err = g.client.SubscribeToPersistentSubscription(g.ctx, "s", "g", esdb.SubscribeToPersistentSubscriptionOptions{}); err == nil {
		t.Error("a group for one consumer took a second one")
	}
	if err := g.client.UpdatePersistentSubscription(g.ctx, "s", "g", esdb.PersistentStreamSubscriptionOptions{Settings: settings()}); err != nil {
		t.Fatal(err)
	}
	if m := sub.Recv(); m.SubscriptionDropped == nil {
		t.Error("the consumer of an updated group was not dropped")
	}
	if most := g.info("s").Settings.MaxSubscriberCount; most != 0 {
		t.Errorf("after the update %d subscribers are allowed", most)
	}
	sub = g.connect("s", 5)
	if err := g.client.DeletePersistentSubscription(g.ctx, "s", "g", esdb.DeletePersistentSubscriptionOptions{}); err != nil {
		t.Fatal(err)
	}
	if m := sub.Recv(); m.SubscriptionDropped == nil {
		t.Error("the consumer of a deleted group was not dropped")
	}
	if list, err := g.client.ListAllPersistentSubscriptions(g.ctx, esdb.ListPersistentSubscriptionsOptions{}); err != nil || len(list) != 0 {
		t.Errorf("after the delete there are %v, %v", list, err)
	}
}

func TestPersistent_ErrorTrailers(t *testing.T) {
	w := newWire(t)
	client := persistent.NewPersistentSubscriptionsClient(w.conn)
	create := func(group string, s *persistent.CreateReq_Settings) (metadata.MD, error) {
		var trailers metadata.MD
		_, err := client.Create(w.ctx, &persistent.CreateReq{Options: &persistent.CreateReq_Options{
			GroupName: group, Settings: s,
			StreamOption: &persistent.CreateReq_Options_Stream{Stream: &persistent.CreateReq_StreamOptions{
				StreamIdentifier: identifier("s"), RevisionOption: &persistent.CreateReq_StreamOptions_Start{Start: &shared.Empty{}},
			}},
		}}, grpc.Trailer(&trailers))
		return trailers, err
	}
	good := func() *persistent.CreateReq_Settings {
		return &persistent.CreateReq_Settings{
			ReadBatchSize: 20, HistoryBufferSize: 500, LiveBufferSize: 500, MaxCheckpointCount: 1000, ConsumerStrategy: "RoundRobin",
		}
	}
	if _, err := create("g", good()); err != nil {
		t.Fatal(err)
	}
	trailers, err := create("g", good())
	w.wantStatus("exists", err, codes.AlreadyExists, trailers, map[string]string{
		"exception": "persistent-subscription-exists", "stream-name": "s", "group-name": "g",
	})
	for name, change := range map[string]func(*persistent.CreateReq_Settings){
		"BatchAsLargeAsBuffer": func(s *persistent.CreateReq_Settings) { s.ReadBatchSize = 500 },
		"NoBuffer":             func(s *persistent.CreateReq_Settings) { s.HistoryBufferSize = 0 },
		"HugeBuffer":           func(s *persistent.CreateReq_Settings) { s.HistoryBufferSize = 1 << 30 },
		"UnknownStrategy":      func(s *persistent.CreateReq_Settings) { s.ConsumerStrategy = "Random" },
		"NegativeRetries":      func(s *persistent.CreateReq_Settings) { s.MaxRetryCount = -1 },
	} {
		s := good()
		change(s)
		trailers, err := create("bad", s)
		w.wantStatus(name, err, codes.Internal, trailers, map[string]string{"exception": "persistent-subscription-failed"})
		if len(trailers.Get("reason")) != 1 {
			t.Errorf("%s: no reason in %v", name, trailers)
		}
	}
	call, err := client.Read(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := call.Send(&persistent.ReadReq{Content: &persistent.ReadReq_Options_{Options: &persistent.ReadReq_Options{
		StreamOption: &persistent.ReadReq_Options_StreamIdentifier{StreamIdentifier: identifier("s")}, GroupName: "g", BufferSize: 1,
	}}}); err != nil {
		t.Fatal(err)
	}
	if m, err := call.Recv(); err != nil || m.GetSubscriptionConfirmation().GetSubscriptionId() == "" {
		t.Fatalf("confirmation %v, %v", m, err)
	}
	if _, err := client.Delete(w.ctx, &persistent.DeleteReq{Options: &persistent.DeleteReq_Options{
		GroupName: "g", StreamOption: &persistent.DeleteReq_Options_StreamIdentifier{StreamIdentifier: identifier("s")},
	}}); err != nil {
		t.Fatal(err)
	}
	_, err = call.Recv()
	w.wantStatus("dropped", err, codes.Canceled, call.Trailer(), map[string]string{
		"exception": "persistent-subscription-dropped", "stream-name": "s", "group-name": "g",
	})
}
