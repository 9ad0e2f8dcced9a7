package protocol_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
)

// groups is a test of persistent subscriptions through the official client.
type groups struct {
	*testing.T
	ctx    context.Context
	node   *node.Node
	server *protocol.Server
	client *esdb.Client
}

func newGroups(t *testing.T) *groups {
	t.Helper()
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	g := &groups{T: t, ctx: ctx, node: openNode(t)}
	g.serve()
	return g
}

func (g *groups) serve() {
	g.Helper()
	g.server = serve(g, protocol.Options{Node: g.node})
	config, err := esdb.ParseConnectionString(g.server.ConnectionString())
	if err != nil {
		g.Fatal(err)
	}
	config.Logger = esdb.NoopLogging()
	if g.client, err = esdb.NewClient(config); err != nil {
		g.Fatal(err)
	}
	client := g.client
	g.Cleanup(func() { _ = client.Close() })
}

// fill appends events whose data are numbers from first on.
func (g *groups) fill(stream string, first, n int) {
	g.Helper()
	for i := range n {
		e := eventstore.EventData{ID: uuid.New(), Type: "Numbered", Data: fmt.Append(nil, first+i)}
		if _, err := g.node.Append(g.ctx, stream, eventstore.Any, e); err != nil {
			g.Fatal(err)
		}
	}
}

// settings checkpoint every event and never time out, unless changed.
func settings(change ...func(*esdb.PersistentSubscriptionSettings)) *esdb.PersistentSubscriptionSettings {
	s := esdb.SubscriptionSettingsDefault()
	s.MessageTimeout, s.CheckpointAfter, s.CheckpointLowerBound, s.CheckpointUpperBound = 0, 20, 1, 1
	for _, c := range change {
		c(&s)
	}
	return &s
}

func (g *groups) create(stream string, s *esdb.PersistentSubscriptionSettings, from esdb.StreamPosition) {
	g.Helper()
	if err := g.client.CreatePersistentSubscription(g.ctx, stream, "g", esdb.PersistentStreamSubscriptionOptions{Settings: s, StartFrom: from}); err != nil {
		g.Fatal(err)
	}
}

func (g *groups) connect(stream string, slots uint32) *esdb.PersistentSubscription {
	g.Helper()
	sub, err := g.client.SubscribeToPersistentSubscription(g.ctx, stream, "g", esdb.SubscribeToPersistentSubscriptionOptions{BufferSize: slots})
	if err != nil {
		g.Fatal(err)
	}
	g.Cleanup(func() { _ = sub.Close() })
	return sub
}

func (g *groups) next(sub *esdb.PersistentSubscription) *esdb.EventAppeared {
	g.Helper()
	m := sub.Recv()
	if m.EventAppeared == nil {
		g.Fatalf("subscription ended: %v", m.SubscriptionDropped.Error)
	}
	return m.EventAppeared
}

// want takes an event and acknowledges it.
func (g *groups) want(sub *esdb.PersistentSubscription, data string) {
	g.Helper()
	e := g.next(sub)
	if got := string(e.Event.Event.Data); got != data {
		g.Fatalf("event %s, want %s", got, data)
	}
	if err := sub.Ack(e.Event); err != nil {
		g.Fatal(err)
	}
}

func (g *groups) info(stream string) *esdb.PersistentSubscriptionInfo {
	g.Helper()
	info, err := g.client.GetPersistentSubscriptionInfo(g.ctx, stream, "g", esdb.GetPersistentSubscriptionOptions{})
	if err != nil {
		g.Fatal(err)
	}
	return info
}

// until polls a condition on the group's state.
func (g *groups) until(stream string, ok func(*esdb.PersistentSubscriptionInfo) bool) {
	g.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok(g.info(stream)) {
		select {
		case <-tick.C:
		case <-g.ctx.Done():
			g.Fatalf("the group stays at %+v", g.info(stream).Stats)
		}
	}
}

func checkpointed(revision uint64) func(*esdb.PersistentSubscriptionInfo) bool {
	return func(i *esdb.PersistentSubscriptionInfo) bool {
		return i.Stats.LastCheckpointedEventRevision != nil && *i.Stats.LastCheckpointedEventRevision == revision
	}
}

func TestPersistent_CatchUpLiveAndStart(t *testing.T) {
	g := newGroups(t)
	g.fill("s", 0, 5)
	g.create("s", settings(), esdb.Revision(2))
	sub := g.connect("s", 10)
	for i := 2; i < 5; i++ {
		g.want(sub, fmt.Sprint(i))
	}
	g.fill("s", 5, 3)
	for i := 5; i < 8; i++ {
		g.want(sub, fmt.Sprint(i))
	}
	g.fill("later", 0, 3)
	g.create("later", settings(), esdb.End{})
	g.fill("later", 3, 2)
	g.want(g.connect("later", 10), "3") // "end" is where the end was when the group was made
}

// TestPersistent_SurvivesRestart: a group goes on where its consumers were, also
// after the server and its groups were started anew.
// TestPersistent_DeletedAndMadeAnew: a group that was deleted has left nothing to one of the same name: neither its place
// nor what it parked.
func TestPersistent_DeletedAndMadeAnew(t *testing.T) {
	g := newGroups(t)
	g.fill("s", 0, 5)
	g.create("s", settings(), esdb.Start{})
	sub := g.connect("s", 1)
	g.want(sub, "0")
	if err := sub.Nack("bad", esdb.NackActionPark, g.next(sub).Event); err != nil {
		t.Fatal(err)
	}
	g.want(sub, "2")
	g.until("s", checkpointed(2))
	if err := g.client.DeletePersistentSubscription(g.ctx, "s", "g", esdb.DeletePersistentSubscriptionOptions{}); err != nil {
		t.Fatal(err)
	}
	g.create("s", settings(), esdb.Start{})
	sub = g.connect("s", 1)
	if parked := g.info("s").Stats.ParkedMessagesCount; parked != 0 {
		t.Errorf("%d events are parked", parked)
	}
	for i := range 5 {
		g.want(sub, fmt.Sprint(i))
	}
	g.until("s", checkpointed(4))
}

func TestPersistent_SurvivesRestart(t *testing.T) {
	g := newGroups(t)
	g.fill("s", 0, 6)
	g.create("s", settings(func(s *esdb.PersistentSubscriptionSettings) {
		s.CheckpointLowerBound, s.CheckpointUpperBound = 100, 1000 // only stopping writes it
	}), esdb.Start{})
	sub := g.connect("s", 3)
	g.want(sub, "0")
	g.want(sub, "1")
	unsettled := g.next(sub)
	g.want(sub, "3") // out of order: event 2 is still open
	g.until("s", func(i *esdb.PersistentSubscriptionInfo) bool { return i.Stats.TotalInFlightMessages == 3 })
	if err := g.server.Stop(); err != nil {
		t.Fatal(err)
	}
	g.serve()
	if !checkpointed(1)(g.info("s")) {
		t.Errorf("checkpoint %v, want the event before the open one", g.info("s").Stats.LastCheckpointedEventRevision)
	}
	sub = g.connect("s", 10)
	if e := g.next(sub); e.Event.Event.EventID != unsettled.Event.Event.EventID {
		t.Errorf("resumed with %s, want the open event", e.Event.Event.Data)
	} else if err := sub.Ack(e.Event); err != nil {
		t.Error(err)
	}
	g.want(sub, "3")
	g.want(sub, "4")
	g.until("s", func(i *esdb.PersistentSubscriptionInfo) bool { return i.Stats.TotalInFlightMessages == 1 })
	if err := g.client.RestartPersistentSubscriptionSubsystem(g.ctx, esdb.RestartPersistentSubscriptionSubsystemOptions{}); err != nil {
		t.Fatal(err)
	}
	g.next(sub) // event 5, which it had in flight
	if m := sub.Recv(); m.SubscriptionDropped == nil {
		t.Errorf("a consumer of a restarted group got %s", m.EventAppeared.Event.Event.Data)
	}
	g.want(g.connect("s", 10), "5")
}

func TestPersistent_Nack(t *testing.T) {
	g := newGroups(t)
	g.fill("s", 0, 5)
	g.create("s", settings(func(s *esdb.PersistentSubscriptionSettings) { s.MaxRetryCount = 2 }), esdb.Start{})
	sub := g.connect("s", 1)
	nack := func(action esdb.NackAction, data string, retries int) {
		t.Helper()
		e := g.next(sub)
		if string(e.Event.Event.Data) != data || e.RetryCount != retries {
			t.Fatalf("event %s with %d retries, want %s with %d", e.Event.Event.Data, e.RetryCount, data, retries)
		}
		if err := sub.Nack("because", action, e.Event); err != nil {
			t.Fatal(err)
		}
	}
	nack(esdb.NackActionPark, "0", 0)
	nack(esdb.NackActionSkip, "1", 0)
	nack(esdb.NackActionRetry, "2", 0)
	nack(esdb.NackActionUnknown, "2", 1)
	nack(esdb.NackActionRetry, "2", 2) // once too often: parked
	g.want(sub, "3")
	g.until("s", checkpointed(3))
	if parked := g.info("s").Stats.ParkedMessagesCount; parked != 2 {
		t.Errorf("%d events are parked, want 2", parked)
	}
	nack(esdb.NackActionStop, "4", 0)
	if m := sub.Recv(); m.SubscriptionDropped == nil {
		t.Errorf("a stopped consumer got %v", m.EventAppeared)
	}
	g.want(g.connect("s", 1), "4")
}

// TestPersistent_Disconnects: an event that ends each consumer which it is shown to is parked, and
// what was behind it, shown to nobody, is not counted.
func TestPersistent_Disconnects(t *testing.T) {
	g := newGroups(t)
	g.fill("s", 0, 2)
	g.create("s", settings(func(s *esdb.PersistentSubscriptionSettings) { s.MaxRetryCount = 2 }), esdb.Start{})
	for retries := range 3 {
		sub := g.connect("s", 1)
		if e := g.next(sub); string(e.Event.Event.Data) != "0" || e.RetryCount != retries {
			t.Fatalf("event %s with %d retries, want 0 with %d", e.Event.Event.Data, e.RetryCount, retries)
		}
		if err := sub.Close(); err != nil {
			t.Fatal(err)
		}
		g.until("s", func(i *esdb.PersistentSubscriptionInfo) bool { return len(i.Connections) == 0 })
	}
	g.until("s", func(i *esdb.PersistentSubscriptionInfo) bool { return i.Stats.ParkedMessagesCount == 1 })
	sub := g.connect("s", 1)
	if e := g.next(sub); string(e.Event.Event.Data) != "1" || e.RetryCount != 0 {
		t.Errorf("event %s with %d retries, want 1 with none", e.Event.Event.Data, e.RetryCount)
	}
}

// TestPersistent_ReplayParked: parked events come again, and stay parked until
// they are settled.
func TestPersistent_ReplayParked(t *testing.T) {
	g := newGroups(t)
	g.fill("s", 0, 4)
	g.create("s", settings(), esdb.Start{})
	sub := g.connect("s", 10)
	for range 4 {
		if err := sub.Nack("later", esdb.NackActionPark, g.next(sub).Event); err != nil {
			t.Fatal(err)
		}
	}
	parked := func(n int64) func(*esdb.PersistentSubscriptionInfo) bool {
		return func(i *esdb.PersistentSubscriptionInfo) bool { return i.Stats.ParkedMessagesCount == n }
	}
	g.until("s", parked(4))
	if err := g.client.ReplayParkedMessages(g.ctx, "s", "g", esdb.ReplayParkedMessagesOptions{StopAt: 2}); err != nil {
		t.Fatal(err)
	}
	g.want(sub, "0")
	g.want(sub, "1")
	g.until("s", parked(2))
	if err := g.client.ReplayParkedMessages(g.ctx, "s", "g", esdb.ReplayParkedMessagesOptions{}); err != nil {
		t.Fatal(err)
	}
	if e := g.next(sub); string(e.Event.Event.Data) != "2" { // not settled when the server stops
		t.Errorf("replayed %s, want 2", e.Event.Event.Data)
	}
	if err := g.server.Stop(); err != nil {
		t.Fatal(err)
	}
	g.serve()
	if err := g.client.ReplayParkedMessages(g.ctx, "s", "g", esdb.ReplayParkedMessagesOptions{}); err != nil {
		t.Fatal(err)
	}
	sub = g.connect("s", 10)
	g.want(sub, "2")
	g.want(sub, "3")
	g.until("s", parked(0))
}

// TestPersistent_MessageTimeout: what a consumer keeps too long goes to another.
func TestPersistent_MessageTimeout(t *testing.T) {
	g := newGroups(t)
	g.fill("s", 0, 1)
	g.create("s", settings(func(s *esdb.PersistentSubscriptionSettings) { s.MessageTimeout = 50 }), esdb.Start{})
	sub := g.connect("s", 5)
	late := g.next(sub)
	again := g.next(sub)
	if again.Event.Event.EventID != late.Event.Event.EventID || again.RetryCount != 1 {
		t.Errorf("after the timeout: %s with %d retries", again.Event.Event.Data, again.RetryCount)
	}
	if err := sub.Ack(again.Event); err != nil {
		t.Fatal(err)
	}
	g.until("s", func(i *esdb.PersistentSubscriptionInfo) bool { return i.Stats.TotalInFlightMessages == 0 })
}

func TestPersistent_Strategies(t *testing.T) {
	g := newGroups(t)
	deal := func(stream string, strategy esdb.ConsumerStrategy) (counts [2]int) {
		t.Helper()
		g.create(stream, settings(func(s *esdb.PersistentSubscriptionSettings) { s.ConsumerStrategyName = strategy }), esdb.Start{})
		subs := [2]*esdb.PersistentSubscription{g.connect(stream, 20), g.connect(stream, 20)}
		g.fill(stream, 0, 10)
		g.until(stream, func(i *esdb.PersistentSubscriptionInfo) bool { return i.Stats.TotalInFlightMessages == 10 })
		for i, c := range g.info(stream).Connections {
			counts[i] = int(c.InFlightMessages)
		}
		for i, sub := range subs {
			for range counts[i] {
				g.next(sub)
			}
		}
		return counts
	}
	if got := deal("round", esdb.ConsumerStrategyRoundRobin); got != [2]int{5, 5} {
		t.Errorf("round robin deals %v", got)
	}
	if got := deal("single", esdb.ConsumerStrategyDispatchToSingle); got != [2]int{10, 0} {
		t.Errorf("dispatch to single deals %v", got)
	}
	if got := deal("pinned", esdb.ConsumerStrategyPinned); got[0]*got[1] != 0 || got[0]+got[1] != 10 {
		t.Errorf("pinned deals one stream's events %v", got)
	}
}

func TestPersistent_ToAllWithFilter(t *testing.T) {
	g := newGroups(t)
	g.fill("noise", 0, 5)
	err := g.client.CreatePersistentSubscriptionToAll(g.ctx, "g", esdb.PersistentAllSubscriptionOptions{
		Settings: settings(), StartFrom: esdb.Start{},
		Filter: &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{"order-"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := g.client.SubscribeToPersistentSubscriptionToAll(g.ctx, "g", esdb.SubscribeToPersistentSubscriptionOptions{BufferSize: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	g.fill("order-1", 0, 2)
	g.fill("noise", 5, 5)
	g.fill("order-2", 2, 1)
	for i := range 3 {
		g.want(sub, fmt.Sprint(i))
	}
	info, err := g.client.GetPersistentSubscriptionInfoToAll(g.ctx, "g", esdb.GetPersistentSubscriptionOptions{})
	if err != nil || info.EventSource != "$all" || info.Stats.TotalItems != 3 {
		t.Errorf("info %+v, %v", info, err)
	}
	list, err := g.client.ListPersistentSubscriptionsToAll(g.ctx, esdb.ListPersistentSubscriptionsOptions{})
	if err != nil || len(list) != 1 {
		t.Errorf("list %v, %v", list, err)
	}
}

// TestPersistent_ToAllRests: a group that follows everything does not follow its
// own checkpoints, which would never end.
func TestPersistent_ToAllRests(t *testing.T) {
	g := newGroups(t)
	if err := g.client.CreatePersistentSubscriptionToAll(g.ctx, "g", esdb.PersistentAllSubscriptionOptions{Settings: settings()}); err != nil {
		t.Fatal(err)
	}
	sub, err := g.client.SubscribeToPersistentSubscriptionToAll(g.ctx, "g", esdb.SubscribeToPersistentSubscriptionOptions{BufferSize: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for i := range 3 { // each is checkpointed in between
		g.fill("s", i, 1)
		for {
			e := g.next(sub)
			if err := sub.Ack(e.Event); err != nil {
				t.Fatal(err)
			}
			if e.Event.Event.StreamID == "s" {
				break
			}
			if slices.Contains([]string{"$persistentsubscription-$all::g-checkpoint"}, e.Event.Event.StreamID) {
				t.Fatal("the group shows its own checkpoint")
			}
		}
	}
}
