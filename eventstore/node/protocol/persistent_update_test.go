package protocol_test

import (
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// TestPersistent_UpdateOnTheWire: what only other clients can send.
func TestPersistent_UpdateOnTheWire(t *testing.T) {
	w := newWire(t)
	client := persistent.NewPersistentSubscriptionsClient(w.conn)
	all := &persistent.UpdateReq_AllOptions{AllOption: &persistent.UpdateReq_AllOptions_Start{Start: &shared.Empty{}}}
	settings := &persistent.CreateReq_Settings{
		ReadBatchSize: 20, HistoryBufferSize: 500, LiveBufferSize: 500, MaxCheckpointCount: 1000, ConsumerStrategy: "RoundRobin",
		Revision: 4, //nolint:staticcheck // what older clients send
	}
	for _, o := range []*persistent.CreateReq_Options{
		{StreamIdentifier: identifier("s")}, // as older clients name it
		{StreamOption: &persistent.CreateReq_Options_All{All: &persistent.CreateReq_AllOptions{
			AllOption: &persistent.CreateReq_AllOptions_Start{Start: &shared.Empty{}},
		}}},
	} {
		o.GroupName, o.Settings = "g", settings
		if _, err := client.Create(w.ctx, &persistent.CreateReq{Options: o}); err != nil {
			t.Fatal(err)
		}
	}
	wantStart := func(want string) {
		t.Helper()
		resp, err := client.GetInfo(w.ctx, &persistent.GetInfoReq{Options: &persistent.GetInfoReq_Options{
			GroupName: "g", StreamOption: &persistent.GetInfoReq_Options_StreamIdentifier{StreamIdentifier: identifier("s")},
		}})
		if got := resp.GetSubscriptionInfo().GetStartFrom(); err != nil || got != want {
			t.Errorf("the group starts from %s, %v, want %s", got, err, want)
		}
	}
	wantStart("4")
	update := func(o *persistent.UpdateReq_Options, revision uint64) (trailers metadata.MD, err error) {
		o.GroupName = "g"
		o.Settings = &persistent.UpdateReq_Settings{
			ReadBatchSize: 20, HistoryBufferSize: 500, LiveBufferSize: 500, MaxCheckpointCount: 1000,
			Revision: revision, //nolint:staticcheck // see above
		}
		_, err = client.Update(w.ctx, &persistent.UpdateReq{Options: o}, grpc.Trailer(&trailers))
		return trailers, err
	}
	ofStream := func(stream string, from *persistent.UpdateReq_StreamOptions) *persistent.UpdateReq_Options {
		from.StreamIdentifier = identifier(stream)
		return &persistent.UpdateReq_Options{StreamOption: &persistent.UpdateReq_Options_Stream{Stream: from}}
	}
	older := func() *persistent.UpdateReq_Options {
		return &persistent.UpdateReq_Options{StreamIdentifier: identifier("s")} //nolint:staticcheck // see above
	}
	for _, c := range []struct {
		o        *persistent.UpdateReq_Options
		revision uint64 // of older clients
		want     string
	}{
		{older(), 7, "7"},
		{older(), 1<<64 - 1, "-1"},
		{ofStream("s", &persistent.UpdateReq_StreamOptions{RevisionOption: &persistent.UpdateReq_StreamOptions_Start{Start: &shared.Empty{}}}), 7, "0"},
		{ofStream("s", &persistent.UpdateReq_StreamOptions{RevisionOption: &persistent.UpdateReq_StreamOptions_Revision{Revision: 3}}), 7, "3"},
		{ofStream("s", &persistent.UpdateReq_StreamOptions{RevisionOption: &persistent.UpdateReq_StreamOptions_End{End: &shared.Empty{}}}), 7, "-1"},
	} {
		if _, err := update(c.o, c.revision); err != nil {
			t.Fatal(err)
		}
		wantStart(c.want)
	}
	at := func(commit, prepare uint64) *persistent.UpdateReq_Options {
		return &persistent.UpdateReq_Options{StreamOption: &persistent.UpdateReq_Options_All{All: &persistent.UpdateReq_AllOptions{
			AllOption: &persistent.UpdateReq_AllOptions_Position{Position: &persistent.UpdateReq_Position{CommitPosition: commit, PreparePosition: prepare}},
		}}}
	}
	if _, err := update(&persistent.UpdateReq_Options{StreamOption: &persistent.UpdateReq_Options_All{All: all}}, 0); err != nil {
		t.Errorf("update of the group on $all: %v", err)
	}
	start := &persistent.UpdateReq_StreamOptions{RevisionOption: &persistent.UpdateReq_StreamOptions_Start{Start: &shared.Empty{}}}
	for name, o := range map[string]*persistent.UpdateReq_Options{
		"AllAsAStream":        ofStream("$all", start),
		"PositionBeyondEnd":   at(1<<40, 1<<40),
		"PrepareAfterCommit":  at(0, 1),
		"RevisionOfNoStream":  ofStream("s", &persistent.UpdateReq_StreamOptions{RevisionOption: &persistent.UpdateReq_StreamOptions_Revision{Revision: 1 << 63}}),
		"RevisionOfNoStream2": older(),
	} {
		trailers, err := update(o, 1<<63)
		w.wantStatus(name, err, codes.Internal, trailers, map[string]string{"exception": "persistent-subscription-failed", "group-name": "g"})
		if len(trailers.Get("reason")) != 1 {
			t.Errorf("%s: no reason in %v", name, trailers)
		}
	}
	for name, o := range map[string]*persistent.UpdateReq_Options{
		"StreamFromNowhere": ofStream("s", &persistent.UpdateReq_StreamOptions{}),
		"AllFromNowhere":    {StreamOption: &persistent.UpdateReq_Options_All{All: &persistent.UpdateReq_AllOptions{}}},
	} {
		trailers, err := update(o, 0)
		w.wantStatus(name, err, codes.InvalidArgument, trailers, nil)
	}
	wantStart("-1") // what was refused changed nothing
}

// TestPersistent_CheckpointAfterZero: without a time, only the upper count makes a group save its place.
func TestPersistent_CheckpointAfterZero(t *testing.T) {
	g := newGroups(t)
	g.fill("never", 0, 1)
	g.fill("timed", 0, 1)
	byTime := func(ms int32) *esdb.PersistentSubscriptionSettings {
		return settings(func(s *esdb.PersistentSubscriptionSettings) {
			s.CheckpointAfter, s.CheckpointUpperBound, s.MessageTimeout = ms, 1000, 30_000
		})
	}
	g.create("never", byTime(0), esdb.Start{})
	g.create("timed", byTime(2000), esdb.Start{})
	g.want(g.connect("never", 10), "0")
	g.want(g.connect("timed", 10), "0")
	g.until("timed", checkpointed(0))
	if saved := g.info("never").Stats.LastCheckpointedEventRevision; saved != nil {
		t.Errorf("without a time the group saved %d", *saved)
	}
	if err := g.client.UpdatePersistentSubscription(g.ctx, "never", "g", esdb.PersistentStreamSubscriptionOptions{Settings: byTime(20)}); err != nil {
		t.Fatal(err)
	}
	g.fill("never", 1, 1)
	g.want(g.connect("never", 10), "1") // an update saves what was acknowledged
	g.until("never", checkpointed(1))
}
