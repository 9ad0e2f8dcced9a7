package eventstoretest

import (
	"errors"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

func (s *stock) groupInfo(stream string) *esdb.PersistentSubscriptionInfo {
	s.Helper()
	info, err := s.client.GetPersistentSubscriptionInfo(s.ctx, stream, "g", esdb.GetPersistentSubscriptionOptions{})
	if err != nil {
		s.Fatalf("info: %v", err)
	}
	return info
}

// untilGroup polls what a group tells about itself.
func (s *stock) untilGroup(stream, what string, ok func(*esdb.PersistentSubscriptionInfo) bool) {
	s.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok(s.groupInfo(stream)) {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			s.Fatalf("the group was never %s: %+v", what, s.groupInfo(stream).Stats)
		}
	}
}

// untilCheckpoint waits for the group to have saved a place.
func (s *stock) untilCheckpoint(stream string, revision uint64) {
	s.Helper()
	s.untilGroup(stream, "checkpointed", func(i *esdb.PersistentSubscriptionInfo) bool {
		return i.Stats.LastCheckpointedEventRevision != nil && *i.Stats.LastCheckpointedEventRevision == revision
	})
}

// update changes the group, whose consumer is dropped and joins again.
func (g *group) update(stream string, settings *esdb.PersistentSubscriptionSettings, from esdb.StreamPosition) {
	g.Helper()
	if err := g.client.UpdatePersistentSubscription(g.ctx, stream, "g", esdb.PersistentStreamSubscriptionOptions{
		Settings: settings, StartFrom: from,
	}); err != nil {
		g.Fatalf("update a group: %v", err)
	}
	g.wantDropped()
	g.join(stream)
}

// wantDropped reads until the server ends the subscription.
func (g *group) wantDropped() {
	g.Helper()
	for {
		if e := g.sub.Recv(); e.SubscriptionDropped != nil {
			return
		}
	}
}

// stockGroupUpdate: every setting is replaced, and the group goes on where it was.
func stockGroupUpdate(s *stock) {
	stream := s.stream("s")
	s.append(stream, "T", "0", "1", "2")
	g := s.newGroup(stream, groupSettings())
	g.want("0")
	s.untilCheckpoint(stream, 0)
	want := esdb.PersistentSubscriptionSettings{
		StartFrom: esdb.Revision(2), ResolveLinkTos: true, ExtraStatistics: true, MaxRetryCount: 7, CheckpointLowerBound: 3, CheckpointUpperBound: 33,
		MaxSubscriberCount: 5, LiveBufferSize: 77, ReadBatchSize: 9, HistoryBufferSize: 99, ConsumerStrategyName: esdb.ConsumerStrategyPinned,
		MessageTimeout: 12_345, CheckpointAfter: 1_234,
	}
	settings := want
	g.update(stream, &settings, esdb.Revision(2))
	if got := *s.groupInfo(stream).Settings; got != want {
		s.Errorf("after an update the settings are\n%+v, want\n%+v", got, want)
	}
	g.want("1") // where it begins matters to a group without a checkpoint only
	g.want("2")
}

// stockGroupUpdateActs: the changed settings are those by which the group works.
func stockGroupUpdateActs(s *stock) {
	links, target := s.stream("links"), s.stream("target")
	id := s.append(target, "Target", "a")[0]
	s.append(links, "$>", "0@"+target)
	s.append(links, "T", "1", "2")
	lazy := groupSettings()
	lazy.CheckpointAfter, lazy.CheckpointLowerBound, lazy.CheckpointUpperBound = 60_000, 1_000, 1_000
	g := s.newGroup(links, lazy)
	if e := g.next().Event; e.Link != nil {
		s.Errorf("without resolving links the group shows %+v", e)
	}

	changed := groupSettings()
	changed.ResolveLinkTos, changed.MaxRetryCount, changed.MaxSubscriberCount = true, 0, 1
	g.update(links, changed, esdb.Start{})
	first := g.next()
	if e := first.Event; e.Event == nil || e.Link == nil || e.Event.EventID != id {
		s.Errorf("resolving links the group shows %+v", e)
	}
	second, err := s.client.SubscribeToPersistentSubscription(s.ctx, links, "g", esdb.SubscribeToPersistentSubscriptionOptions{})
	if err == nil { // a client that reads on is told then
		if e := second.Recv(); e.SubscriptionDropped == nil {
			s.Error("a group for one consumer took a second one")
		}
		_ = second.Close()
	}
	if err := g.sub.Nack("no", esdb.NackActionRetry, first.Event); err != nil {
		s.Fatal(err)
	}
	s.untilGroup(links, "parking", func(i *esdb.PersistentSubscriptionInfo) bool { return i.Stats.ParkedMessagesCount == 1 })
	g.want("1")
	s.untilCheckpoint(links, 1)

	impatient := groupSettings()
	impatient.MessageTimeout = 200
	g.update(links, impatient, esdb.Start{})
	late := g.next()
	if again := g.next(); again.RetryCount != 1 || again.Event.Event.EventID != late.Event.Event.EventID {
		s.Errorf("after the timeout: %+v", again)
	}
}

// stockGroupUpdateStart: a group without a checkpoint begins where the update says.
func stockGroupUpdateStart(s *stock) {
	stream := s.stream("s")
	s.append(stream, "T", "0", "1", "2")
	g := s.newGroup(stream, groupSettings())
	if got := string(g.next().Event.Event.Data); got != "0" {
		s.Errorf("a new group shows %s", got)
	}
	g.update(stream, groupSettings(), esdb.Revision(1))
	g.want("1")
	g.want("2")
}

// stockGroupUpdateRefused: what cannot be has no effect, and nobody is dropped.
func stockGroupUpdateRefused(s *stock) {
	stream := s.stream("s")
	s.append(stream, "T", "0")
	g := s.newGroup(stream, groupSettings())
	bad := groupSettings()
	bad.HistoryBufferSize, bad.ReadBatchSize, bad.MaxRetryCount = 10, 20, 9
	var e *esdb.Error
	if err := s.client.UpdatePersistentSubscription(s.ctx, stream, "g", esdb.PersistentStreamSubscriptionOptions{Settings: bad}); !errors.As(err, &e) {
		s.Errorf("update with a batch larger than the buffer: %v", err)
	}
	if got := s.groupInfo(stream).Settings.MaxRetryCount; got != groupSettings().MaxRetryCount {
		s.Errorf("after a refused update there are %d retries", got)
	}
	g.want("0")
	s.append(stream, "T", "1")
	g.want("1")
}

// stockGroupUpdateOnAll: the filter stays, and a position that is not there is refused.
func stockGroupUpdateOnAll(s *stock) {
	g, name := s.newGroupOnAll()
	s.append(s.stream("a"), "T", "0")
	g.want("0")
	settings := groupSettings()
	settings.MaxRetryCount, settings.ConsumerStrategyName = 9, esdb.ConsumerStrategyDispatchToSingle
	beyond := esdb.Position{Commit: 1 << 60, Prepare: 1 << 60}
	if err := s.client.UpdatePersistentSubscriptionToAll(s.ctx, name, esdb.PersistentAllSubscriptionOptions{
		Settings: settings, StartFrom: beyond,
	}); err == nil {
		s.Error("an update to a position beyond the log was taken")
	}
	if err := s.client.UpdatePersistentSubscriptionToAll(s.ctx, name, esdb.PersistentAllSubscriptionOptions{
		Settings: settings, StartFrom: esdb.Start{},
	}); err != nil {
		s.Fatalf("update: %v", err)
	}
	g.wantDropped()
	info, err := s.client.GetPersistentSubscriptionInfoToAll(s.ctx, name, esdb.GetPersistentSubscriptionOptions{})
	if err != nil || info.Settings.MaxRetryCount != 9 || info.Settings.ConsumerStrategyName != esdb.ConsumerStrategyDispatchToSingle {
		s.Errorf("info after an update: %+v, %v", info, err)
	}
	g.joinAll(name)
	s.append(s.stream("b"), "T", "last")
	for {
		e := g.next().Event
		if stream := e.Event.StreamID; stream != s.stream("a") && stream != s.stream("b") {
			s.Fatalf("after an update the group shows %s, which its filter excludes", stream)
		}
		if err := g.sub.Ack(e); err != nil {
			s.Fatal(err)
		}
		if string(e.Event.Data) == "last" {
			return
		}
	}
}
