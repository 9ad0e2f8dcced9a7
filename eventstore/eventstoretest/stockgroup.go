package eventstoretest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// group is a persistent subscription of the test.
type group struct {
	*stock
	sub *esdb.PersistentSubscription
}

// groupSettings do not time out while a test runs, and save each event's place.
func groupSettings() *esdb.PersistentSubscriptionSettings {
	s := esdb.SubscriptionSettingsDefault()
	s.MessageTimeout, s.CheckpointAfter, s.CheckpointLowerBound, s.CheckpointUpperBound, s.MaxRetryCount = 60_000, 100, 1, 1, 2
	return &s
}

// newGroup makes a group called "g" on a stream and connects a consumer.
func (s *stock) newGroup(stream string, settings *esdb.PersistentSubscriptionSettings) *group {
	s.Helper()
	s.groups[stream] = struct{}{}
	s.created(s.client.CreatePersistentSubscription(s.ctx, stream, "g", esdb.PersistentStreamSubscriptionOptions{
		Settings: settings, StartFrom: esdb.Start{},
	}))
	g := &group{stock: s}
	g.join(stream)
	return g
}

// created ends the test when a group could not be made; users that may not make any skip it.
func (s *stock) created(err error) {
	s.Helper()
	var e *esdb.Error
	if errors.As(err, &e) && e.Code() == esdb.ErrorCodeAccessDenied {
		s.Skipf("the user may not make persistent subscriptions: %v", err)
	}
	if err != nil {
		s.Fatalf("create a group: %v", err)
	}
}

func (g *group) join(stream string) {
	g.Helper()
	var err error
	if g.sub, err = g.client.SubscribeToPersistentSubscription(g.ctx, stream, "g", esdb.SubscribeToPersistentSubscriptionOptions{BufferSize: 10}); err != nil {
		g.Fatalf("join a group: %v", err)
	}
	sub := g.sub
	g.Cleanup(func() { _ = sub.Close() })
}

// next waits for the next event.
func (g *group) next() *esdb.EventAppeared {
	g.Helper()
	for {
		e := g.sub.Recv()
		if e.SubscriptionDropped != nil {
			g.Fatalf("group dropped: %v", e.SubscriptionDropped.Error)
		}
		if e.EventAppeared != nil {
			return e.EventAppeared
		}
	}
}

// want takes the next event and acknowledges it.
func (g *group) want(body string) {
	g.Helper()
	e := g.next()
	if got := string(e.Event.Event.Data); got != body {
		g.Fatalf("group shows %q, want %q", got, body)
	}
	if err := g.sub.Ack(e.Event); err != nil {
		g.Fatalf("acknowledge %q: %v", body, err)
	}
}

// stockGroup: what was there, what comes, what is told about it, and how it ends.
func stockGroup(s *stock) {
	stream := s.stream("s")
	s.append(stream, "T", "0", "1")
	g := s.newGroup(stream, groupSettings())
	g.want("0")
	g.want("1")
	s.append(stream, "T", "2")
	g.want("2")
	info, err := s.client.GetPersistentSubscriptionInfo(s.ctx, stream, "g", esdb.GetPersistentSubscriptionOptions{})
	if err != nil || info.EventSource != stream || info.GroupName != "g" || len(info.Connections) != 1 {
		s.Errorf("info: %+v, %v", info, err)
	}
	list, err := s.client.ListPersistentSubscriptionsForStream(s.ctx, stream, esdb.ListPersistentSubscriptionsOptions{})
	if err != nil || len(list) != 1 || list[0].GroupName != "g" {
		s.Errorf("list: %+v, %v", list, err)
	}
	if err := s.client.DeletePersistentSubscription(s.ctx, stream, "g", esdb.DeletePersistentSubscriptionOptions{}); err != nil {
		s.Fatalf("delete: %v", err)
	}
	g.wantDropped()
}

// newGroupOnAll makes a group that sees the test's streams and connects a consumer.
func (s *stock) newGroupOnAll() (g *group, name string) {
	s.Helper()
	name = s.stream("group")
	s.groups[name] = struct{}{}
	options := esdb.PersistentAllSubscriptionOptions{
		Settings: groupSettings(), StartFrom: esdb.Start{},
		Filter: &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{s.prefix}},
	}
	if !s.features.OwnLog {
		options.StartFrom = esdb.End{}
	}
	s.created(s.client.CreatePersistentSubscriptionToAll(s.ctx, name, options))
	g = &group{stock: s}
	g.joinAll(name)
	return g, name
}

func (g *group) joinAll(name string) {
	g.Helper()
	var err error
	if g.sub, err = g.client.SubscribeToPersistentSubscriptionToAll(g.ctx, name, esdb.SubscribeToPersistentSubscriptionOptions{}); err != nil {
		g.Fatalf("join: %v", err)
	}
	sub := g.sub
	g.Cleanup(func() { _ = sub.Close() })
}

func stockGroupOnAll(s *stock) {
	g, _ := s.newGroupOnAll()
	for i := range 5 {
		s.append(s.stream(fmt.Sprint(i)), "T", fmt.Sprint(i))
		g.want(fmt.Sprint(i))
	}
}

// stockGroupRetriesAndParks: an event that is refused comes again, then is parked, and comes once more when
// the parked ones are replayed.
func stockGroupRetriesAndParks(s *stock) {
	stream := s.stream("s")
	s.append(stream, "T", "bad")
	g := s.newGroup(stream, groupSettings())
	first := g.next()
	if err := g.sub.Nack("not now", esdb.NackActionRetry, first.Event); err != nil {
		s.Fatal(err)
	}
	again := g.next()
	if again.RetryCount != 1 || again.Event.Event.EventID != first.Event.Event.EventID {
		s.Errorf("after a retry: %+v", again)
	}
	if err := g.sub.Nack("never", esdb.NackActionPark, again.Event); err != nil {
		s.Fatal(err)
	}
	s.append(stream, "T", "good", "skipped", "last")
	g.want("good")
	if err := g.sub.Nack("no matter", esdb.NackActionSkip, g.next().Event); err != nil {
		s.Fatal(err)
	}
	g.want("last")
	s.untilGroup(stream, "parking", func(i *esdb.PersistentSubscriptionInfo) bool { return i.Stats.ParkedMessagesCount == 1 })
	parked := s.mustRead("$persistentsubscription-"+stream+"::g-parked", true)
	if len(parked) != 1 || parked[0].Event == nil || parked[0].Event.EventID != first.Event.Event.EventID {
		s.Fatalf("parked: %+v", parked)
	}
	if err := s.client.ReplayParkedMessages(s.ctx, stream, "g", esdb.ReplayParkedMessagesOptions{}); err != nil {
		s.Fatalf("replay: %v", err)
	}
	g.want("bad")
}

func stockGroupResolvesLinks(s *stock) {
	links, target, id := s.link()
	settings := groupSettings()
	settings.ResolveLinkTos = true
	g := s.newGroup(links, settings)
	e := g.next().Event
	if e.Event == nil || e.Link == nil || e.Event.EventID != id || e.Event.StreamID != target || e.Link.StreamID != links {
		s.Errorf("resolved link: %+v", e)
	}
	if err := g.sub.Ack(e); err != nil {
		s.Error(err)
	}
}

func stockGroupErrors(s *stock) {
	stream := s.stream("s")
	s.append(stream, "T", "0")
	s.newGroup(stream, groupSettings())
	small := groupSettings()
	small.HistoryBufferSize, small.ReadBatchSize = 10, 20
	missing := s.stream("missing")
	for name, c := range map[string]struct {
		call func() error
		want []esdb.ErrorCode
	}{
		"Exists": {func() error {
			return s.client.CreatePersistentSubscription(s.ctx, stream, "g", esdb.PersistentStreamSubscriptionOptions{})
		}, []esdb.ErrorCode{esdb.ErrorCodeResourceAlreadyExists}},
		"BadSettings": {func() error {
			return s.client.CreatePersistentSubscription(s.ctx, stream, "bad", esdb.PersistentStreamSubscriptionOptions{Settings: small})
		}, []esdb.ErrorCode{esdb.ErrorCodeInternalServer, esdb.ErrorCodeUnknown}},
		"UpdateMissing": {func() error {
			return s.client.UpdatePersistentSubscription(s.ctx, missing, "g", esdb.PersistentStreamSubscriptionOptions{Settings: groupSettings()})
		}, []esdb.ErrorCode{esdb.ErrorCodeResourceNotFound}},
		"DeleteMissing": {func() error {
			return s.client.DeletePersistentSubscription(s.ctx, missing, "g", esdb.DeletePersistentSubscriptionOptions{})
		}, []esdb.ErrorCode{esdb.ErrorCodeResourceNotFound}},
		"InfoMissing": {func() error {
			_, err := s.client.GetPersistentSubscriptionInfo(s.ctx, missing, "g", esdb.GetPersistentSubscriptionOptions{})
			return err
		}, []esdb.ErrorCode{esdb.ErrorCodeResourceNotFound}},
	} {
		var e *esdb.Error
		if err := c.call(); !errors.As(err, &e) || !slices.Contains(c.want, e.Code()) {
			s.Errorf("%s: %v, want a code of %v", name, err, c.want)
		}
	}
}
