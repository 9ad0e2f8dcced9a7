package protocol_test

import (
	"fmt"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/order-ledger/order-ledger/eventstore"
)

// TestPersistent_PinnedByCorrelation: one consumer gets all events of a correlation; the Go client cannot
// name the strategy, and its updates take it away, as they do at a real server.
func TestPersistent_PinnedByCorrelation(t *testing.T) {
	g := newGroups(t)
	conn, err := grpc.NewClient(g.server.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	deal := func(stream string, correlation func(i int) string) (counts [2]int) {
		t.Helper()
		_, err := persistent.NewPersistentSubscriptionsClient(conn).Create(g.ctx, &persistent.CreateReq{Options: &persistent.CreateReq_Options{
			GroupName: "g", StreamOption: &persistent.CreateReq_Options_Stream{Stream: &persistent.CreateReq_StreamOptions{
				StreamIdentifier: identifier(stream), RevisionOption: &persistent.CreateReq_StreamOptions_Start{Start: &shared.Empty{}},
			}},
			Settings: &persistent.CreateReq_Settings{
				MaxRetryCount: 10, MinCheckpointCount: 1, MaxCheckpointCount: 1, LiveBufferSize: 500, ReadBatchSize: 20, HistoryBufferSize: 500,
				ConsumerStrategy: "PinnedByCorrelation",
			},
		}})
		if err != nil {
			t.Fatal(err)
		}
		g.connect(stream, 20)
		g.connect(stream, 20)
		for i := range 10 {
			e := eventstore.EventData{ID: uuid.New(), Type: "T", Metadata: fmt.Appendf(nil, `{"$correlationId":%q}`, correlation(i))}
			if _, err := g.node.Append(g.ctx, stream, eventstore.Any, e); err != nil {
				t.Fatal(err)
			}
		}
		g.until(stream, func(i *esdb.PersistentSubscriptionInfo) bool { return i.Stats.TotalInFlightMessages == 10 })
		for i, c := range g.info(stream).Connections {
			counts[i] = int(c.InFlightMessages)
		}
		return counts
	}
	if got := deal("one", func(int) string { return "same" }); got[0]*got[1] != 0 || got[0]+got[1] != 10 {
		t.Errorf("events of one correlation were dealt %v", got)
	}
	if got := deal("many", func(i int) string { return fmt.Sprint("c", i) }); got[0] == 0 || got[1] == 0 {
		t.Errorf("events of ten correlations were dealt %v", got)
	}
	single := settings(func(s *esdb.PersistentSubscriptionSettings) {
		s.ConsumerStrategyName = esdb.ConsumerStrategyDispatchToSingle
	})
	if err := g.client.UpdatePersistentSubscription(g.ctx, "one", "g", esdb.PersistentStreamSubscriptionOptions{Settings: single}); err != nil {
		t.Fatal(err)
	}
	if got := g.info("one").Settings.ConsumerStrategyName; got != esdb.ConsumerStrategyDispatchToSingle {
		t.Errorf("after an update the strategy is %s", got)
	}
}
