package eventstoretest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
)

// RunStock runs what only a stock client can see: links, metadata through the client's own calls,
// persistent subscriptions, batches, reconnects. connection is called once per test and returns the
// connection string of a server, whose log may be shared with others.
func RunStock(t *testing.T, connection func(t *testing.T) string, features Features) {
	t.Helper()
	for name, test := range map[string]func(*stock){
		"LinksResolved": stockLinksResolved, "LinksUnresolved": stockLinksUnresolved, "LinkToNothing": stockLinkToNothing,
		"Metadata": stockMetadata, "MetadataMissing": stockMetadataMissing, "MaxAge": stockMaxAge,
		"Reconnect": stockReconnect, "ReadAllEdges": stockReadAllEdges, "SubscribeFromEnd": stockSubscribeFromEnd,
		"Group": stockGroup, "GroupOnAll": stockGroupOnAll, "GroupRetriesAndParks": stockGroupRetriesAndParks,
		"GroupResolvesLinks": stockGroupResolvesLinks, "GroupErrors": stockGroupErrors,
		"GroupUpdate": stockGroupUpdate, "GroupUpdateActs": stockGroupUpdateActs, "GroupUpdateStart": stockGroupUpdateStart,
		"GroupUpdateRefused": stockGroupUpdateRefused, "GroupUpdateOnAll": stockGroupUpdateOnAll,
		"Batch": stockBatch, "BatchErrors": stockBatchErrors,
		"OnlyWhatWasWritten": stockOnlyWhatWasWritten, "RemembersIDs": stockRemembersIDs, "HiddenInAll": stockHiddenInAll,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			t.Cleanup(cancel)
			s := &stock{
				T: t, ctx: ctx, features: features, connection: connection(t), prefix: "stock" + uuid.NewString()[:8],
				names: map[string]struct{}{}, groups: map[string]struct{}{},
			}
			s.client = s.connect(s.connection)
			if !features.OwnLog {
				t.Cleanup(s.cleanUp)
			}
			test(s)
		})
	}
}

// stock is one test with the official client.
type stock struct {
	*testing.T
	ctx        context.Context
	features   Features
	connection string
	client     *esdb.Client
	prefix     string // of every stream of this test, and of no other
	// names are those of the streams, groups those of the streams that have a group "g", or of the groups on $all.
	names, groups map[string]struct{}
}

// cleanUp deletes what the test has made; much of it never was, or is gone.
func (s *stock) cleanUp() {
	client := s.connect(s.connection)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), cleanUpTimeout)
	defer cancel()
	for name := range s.groups {
		_ = client.DeletePersistentSubscription(ctx, name, "g", esdb.DeletePersistentSubscriptionOptions{})
		_ = client.DeletePersistentSubscriptionToAll(ctx, name, esdb.DeletePersistentSubscriptionOptions{})
	}
	for name := range s.names {
		_, _ = client.DeleteStream(ctx, name, esdb.DeleteStreamOptions{ExpectedRevision: esdb.Any{}})
	}
}

func (s *stock) connect(connection string) *esdb.Client {
	s.Helper()
	config, err := esdb.ParseConnectionString(connection)
	if err != nil {
		s.Fatal(err)
	}
	config.Logger = esdb.NoopLogging()
	client, err := esdb.NewClient(config)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = client.Close() }) // it has nothing to report
	return client
}

func (s *stock) stream(name string) string {
	name = s.prefix + "-" + name
	s.names[name] = struct{}{}
	return name
}

// append appends events with these bodies and returns their ids.
func (s *stock) append(stream, eventType string, bodies ...string) (ids []uuid.UUID) {
	s.Helper()
	var events []esdb.EventData
	for _, body := range bodies {
		id := uuid.New()
		ids = append(ids, id)
		events = append(events, esdb.EventData{EventID: id, EventType: eventType, ContentType: esdb.ContentTypeBinary, Data: []byte(body)})
	}
	if _, err := s.client.AppendToStream(s.ctx, stream, esdb.AppendToStreamOptions{}, events...); err != nil {
		s.Fatalf("append to %s: %v", stream, err)
	}
	return ids
}

func (s *stock) read(stream string, resolve bool) (out []*esdb.ResolvedEvent, err error) {
	s.Helper()
	read, err := s.client.ReadStream(s.ctx, stream, esdb.ReadStreamOptions{ResolveLinkTos: resolve}, 1000)
	if err != nil {
		return nil, err
	}
	defer read.Close()
	for {
		e, err := read.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, e)
	}
}

func (s *stock) mustRead(stream string, resolve bool) []*esdb.ResolvedEvent {
	s.Helper()
	out, err := s.read(stream, resolve)
	if err != nil {
		s.Fatalf("read %s: %v", stream, err)
	}
	return out
}

// link appends links to an event and to one that does not exist.
func (s *stock) link() (links, target string, id uuid.UUID) {
	s.Helper()
	links, target = s.stream("links"), s.stream("target")
	id = s.append(target, "Target", "a", "b")[1]
	s.append(links, "$>", "1@"+target, "7@"+target)
	return links, target, id
}

func stockLinksResolved(s *stock) {
	links, target, id := s.link()
	got := s.mustRead(links, true)
	if len(got) != 2 {
		s.Fatalf("%d events, want 2", len(got))
	}
	e := got[0]
	if e.Event == nil || e.Link == nil || e.Event.EventID != id || e.Event.StreamID != target || e.Event.EventNumber != 1 ||
		e.Link.StreamID != links || e.Link.EventNumber != 0 || e.OriginalEvent().StreamID != links {
		s.Errorf("resolved link: %+v", e)
	}
	if e.Commit == nil || *e.Commit != e.Link.Position.Commit {
		s.Errorf("a resolved link stands at %v, want its own position %d", e.Commit, e.Link.Position.Commit)
	}
}

func stockLinksUnresolved(s *stock) {
	links, target, _ := s.link()
	for i, e := range s.mustRead(links, false) {
		if e.Link != nil || e.Event == nil || e.Event.EventType != "$>" || !strings.HasSuffix(string(e.Event.Data), "@"+target) {
			s.Errorf("link %d that is not to be resolved: %+v", i, e)
		}
	}
}

func stockLinkToNothing(s *stock) {
	links, _, _ := s.link()
	if e := s.mustRead(links, true)[1]; e.Event != nil || e.Link == nil || e.Link.EventNumber != 1 {
		s.Errorf("link to nothing: %+v", e)
	}
}

// stockMetadata reads back all that the client can set, and that a later version replaces it.
func stockMetadata(s *stock) {
	stream := s.stream("s")
	var m esdb.StreamMetadata
	m.SetMaxCount(7)
	m.SetMaxAge(time.Hour)
	m.SetTruncateBefore(1)
	m.SetCacheControl(time.Minute)
	acl := esdb.Acl{}
	acl.AddReadRoles("readers")
	acl.AddWriteRoles("writers")
	m.SetAcl(acl)
	m.AddCustomProperty("owner", "accounting")
	if _, err := s.client.SetStreamMetadata(s.ctx, stream, esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, m); err != nil {
		s.Fatalf("set metadata: %v", err)
	}
	got, err := s.client.GetStreamMetadata(s.ctx, stream, esdb.ReadStreamOptions{})
	if err != nil {
		s.Fatalf("get metadata: %v", err)
	}
	if got.MaxCount() == nil || *got.MaxCount() != 7 || got.MaxAge() == nil || *got.MaxAge() != time.Hour ||
		got.TruncateBefore() == nil || *got.TruncateBefore() != 1 || got.CacheControl() == nil || *got.CacheControl() != time.Minute ||
		got.CustomProperty("owner") != "accounting" {
		s.Errorf("metadata read back: %+v", got)
	}
	if back := got.StreamAcl(); back == nil || fmt.Sprint(back.ReadRoles()) != "[readers]" || fmt.Sprint(back.WriteRoles()) != "[writers]" {
		s.Errorf("access list read back: %+v", back)
	}
	var later esdb.StreamMetadata
	later.AddCustomProperty("owner", "treasury")
	if _, err := s.client.SetStreamMetadata(s.ctx, stream, esdb.AppendToStreamOptions{ExpectedRevision: esdb.Revision(0)}, later); err != nil {
		s.Fatalf("set metadata again: %v", err)
	}
	if got, err = s.client.GetStreamMetadata(s.ctx, stream, esdb.ReadStreamOptions{}); err != nil || got.MaxCount() != nil || got.CustomProperty("owner") != "treasury" {
		s.Errorf("newer metadata: %+v, %v", got, err)
	}
}

func stockMetadataMissing(s *stock) {
	_, err := s.client.GetStreamMetadata(s.ctx, s.stream("never"), esdb.ReadStreamOptions{})
	var e *esdb.Error
	if !errors.As(err, &e) || e.Code() != esdb.ErrorCodeResourceNotFound {
		s.Errorf("metadata of a stream that never was: %v", err)
	}
}

// stockMaxAge: events disappear from reads of their stream when they get too old, by the server's clock.
func stockMaxAge(s *stock) {
	stream := s.stream("s")
	s.append(stream, "Old", "a", "b")
	var m esdb.StreamMetadata
	m.SetMaxAge(time.Second)
	if _, err := s.client.SetStreamMetadata(s.ctx, stream, esdb.AppendToStreamOptions{}, m); err != nil {
		s.Fatalf("set metadata: %v", err)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for len(s.mustRead(stream, false)) > 0 {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			s.Fatal("events stay although they are too old")
		}
	}
	s.append(stream, "Young", "c")
	if got := s.mustRead(stream, false); len(got) > 1 || len(got) == 1 && got[0].Event.EventNumber != 2 {
		s.Errorf("after the next append: %d events", len(got))
	}
}

// stockReconnect: after its connection broke, a client goes on, and a subscription that is renewed after
// the last event misses nothing.
func stockReconnect(s *stock) {
	u, err := url.Parse(s.connection)
	if err != nil || u.Scheme != "esdb" || strings.Contains(u.Host, ",") {
		s.Skip("the server is not one address, to which connections could be cut")
	}
	relay := NewRelay(s, u.Host)
	u.Host = relay.Address
	if query := u.Query(); query.Get("tls") != "false" { // the certificate is that of the server's name
		query.Set("tlsVerifyCert", "false")
		u.RawQuery = query.Encode()
	}
	s.client = s.connect(u.String())
	stream := s.stream("s")
	s.append(stream, "T", "0")
	next := uint64(0)
	for round := range 3 {
		options := esdb.SubscribeToStreamOptions{From: esdb.Start{}}
		if next > 0 {
			options.From = esdb.Revision(next - 1)
		}
		sub := retryStock(s, "subscribe", func() (*esdb.Subscription, error) { return s.client.SubscribeToStream(s.ctx, stream, options) })
		for next <= uint64(round) {
			e := sub.Recv()
			if e.SubscriptionDropped != nil {
				s.Fatalf("subscription dropped: %v", e.SubscriptionDropped.Error)
			}
			if e.EventAppeared == nil {
				continue
			}
			if e.EventAppeared.Event.EventNumber != next {
				s.Fatalf("revision %d, want %d", e.EventAppeared.Event.EventNumber, next)
			}
			next++
		}
		relay.Cut()
		for e := sub.Recv(); e.SubscriptionDropped == nil; e = sub.Recv() { //nolint:revive // it ends with the drop
		}
		_ = sub.Close()
		event := esdb.EventData{EventID: uuid.New(), EventType: "T", ContentType: esdb.ContentTypeBinary, Data: []byte("x")}
		retryStock(s, "append", func() (*esdb.WriteResult, error) {
			return s.client.AppendToStream(s.ctx, stream, esdb.AppendToStreamOptions{ExpectedRevision: esdb.Revision(uint64(round))}, event)
		})
	}
	if got := s.mustRead(stream, false); len(got) != 4 {
		s.Errorf("%d events, want 4: one of each append", len(got))
	}
}

// retryStock repeats a call until the client has found the server again.
func retryStock[T any](s *stock, what string, call func() (T, error)) T {
	s.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		value, err := call()
		if err == nil {
			return value
		}
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			s.Fatalf("%s after the connection broke: %v", what, err)
		}
	}
}

// The rest names how the embedded node differs from a real server; see Features.

func stockOnlyWhatWasWritten(s *stock) {
	if !s.features.OnlyWhatWasWritten {
		s.Skip("a real server writes events of its own")
	}
	read, err := s.client.ReadAll(s.ctx, esdb.ReadAllOptions{From: esdb.Start{}}, 10)
	if err != nil {
		s.Fatal(err)
	}
	defer read.Close()
	if e, err := read.Recv(); !errors.Is(err, io.EOF) {
		s.Errorf("a new log begins with %+v, %v", e, err)
	}
}

func stockRemembersIDs(s *stock) {
	if !s.features.RemembersIDs {
		s.Skip("a real server remembers recent event ids only")
	}
	stream := s.stream("s")
	first := esdb.EventData{EventID: uuid.New(), EventType: "T", ContentType: esdb.ContentTypeBinary, Data: []byte("x")}
	options := esdb.AppendToStreamOptions{ExpectedRevision: esdb.Any{}}
	written, err := s.client.AppendToStream(s.ctx, stream, options, first)
	if err != nil {
		s.Fatal(err)
	}
	// More ids than the 8 MiB of a real server's cache hold.
	const others, each = 200, 1000
	bodies := make([]string, each)
	for range others {
		s.append(s.stream("other"), "T", bodies...)
	}
	again, err := s.client.AppendToStream(s.ctx, stream, options, first)
	if err != nil || again.CommitPosition != written.CommitPosition || len(s.mustRead(stream, false)) != 1 {
		s.Errorf("the same event after %d others: %+v, %v; want %+v", others*each, again, err, written)
	}
}

// stockHiddenInAll is no difference: the state of groups on $all shows in $all nowhere.
func stockHiddenInAll(s *stock) {
	stream := "$persistentsubscription-$all::" + s.prefix + "-checkpoint"
	if !s.features.OnlyWhatWasWritten {
		s.Skip("the streams of a real server's groups are its own")
	}
	s.append(stream, "T", "a")
	read, err := s.client.ReadAll(s.ctx, esdb.ReadAllOptions{From: esdb.End{}, Direction: esdb.Backwards}, 10)
	if err != nil {
		s.Fatal(err)
	}
	defer read.Close()
	if e, err := read.Recv(); !errors.Is(err, io.EOF) {
		s.Errorf("$all shows %+v, %v", e, err)
	}
}
