package protocol_test

import (
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
)

// official connects the official client.
func official(t *testing.T, connection string) *esdb.Client {
	t.Helper()
	configuration, err := esdb.ParseConnectionString(connection)
	if err != nil {
		t.Fatal(err)
	}
	configuration.Logger = esdb.NoopLogging()
	client, err := esdb.NewClient(configuration)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() }) // a connection that is gone
	return client
}

// mustOnlyRead checks that a client reads everything and changes nothing. The stream order-1 has one
// event, and a persistent subscription to it the group "reports".
func mustOnlyRead(t *testing.T, client *esdb.Client) {
	t.Helper()
	ctx := t.Context()
	event := esdb.EventData{ContentType: esdb.ContentTypeJson, EventType: "T", Data: []byte(`{}`)}
	denied := map[string]func() error{
		"append": func() error {
			_, err := client.AppendToStream(ctx, "order-1", esdb.AppendToStreamOptions{}, event)
			return err
		},
		"delete": func() error {
			_, err := client.DeleteStream(ctx, "order-1", esdb.DeleteStreamOptions{})
			return err
		},
		"tombstone": func() error {
			_, err := client.TombstoneStream(ctx, "order-1", esdb.TombstoneStreamOptions{})
			return err
		},
		"create a group": func() error {
			return client.CreatePersistentSubscription(ctx, "order-1", "mine", esdb.PersistentStreamSubscriptionOptions{})
		},
		"update a group": func() error {
			settings := esdb.SubscriptionSettingsDefault()
			return client.UpdatePersistentSubscription(ctx, "order-1", "reports", esdb.PersistentStreamSubscriptionOptions{Settings: &settings})
		},
		"delete a group": func() error {
			return client.DeletePersistentSubscription(ctx, "order-1", "reports", esdb.DeletePersistentSubscriptionOptions{})
		},
		"replay a group": func() error {
			return client.ReplayParkedMessages(ctx, "order-1", "reports", esdb.ReplayParkedMessagesOptions{})
		},
	}
	for name, try := range denied {
		var refused *esdb.Error
		if err := try(); !errors.As(err, &refused) || refused.Code() != esdb.ErrorCodeAccessDenied {
			t.Errorf("%s: %v, want that access is denied", name, err)
		}
	}
	read, err := client.ReadStream(ctx, "order-1", esdb.ReadStreamOptions{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if e, err := read.Recv(); err != nil || e.Event.EventType != "T" {
		t.Errorf("read: %+v, %v", e, err)
	}
	all, err := client.SubscribeToAll(ctx, esdb.SubscribeToAllOptions{From: esdb.Start{}, Filter: esdb.ExcludeSystemEventsFilter()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = all.Close() }()
	for e := all.Recv(); e.EventAppeared == nil; e = all.Recv() {
		if e.SubscriptionDropped != nil {
			t.Fatalf("subscription: %v", e.SubscriptionDropped.Error)
		}
	}
	group, err := client.SubscribeToPersistentSubscription(ctx, "order-1", "reports", esdb.SubscribeToPersistentSubscriptionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = group.Close() }()
	e := group.Recv()
	if e.EventAppeared == nil {
		t.Fatalf("persistent subscription: %+v", e)
	}
	if err := group.Ack(e.EventAppeared.Event); err != nil {
		t.Errorf("acknowledge: %v", err)
	}
}

// prepare writes what mustOnlyRead expects.
func prepare(t *testing.T, client *esdb.Client) {
	t.Helper()
	event := esdb.EventData{ContentType: esdb.ContentTypeJson, EventType: "T", Data: []byte(`{}`)}
	if _, err := client.AppendToStream(t.Context(), "order-1", esdb.AppendToStreamOptions{}, event); err != nil {
		t.Fatal(err)
	}
	if err := client.CreatePersistentSubscription(t.Context(), "order-1", "reports", esdb.PersistentStreamSubscriptionOptions{StartFrom: esdb.Start{}}); err != nil {
		t.Fatal(err)
	}
}

// TestReaders reads as a user that may only read, beside one that may write.
func TestReaders(t *testing.T) {
	t.Parallel()
	certificate, caFile := selfSigned(t)
	s := serve(t, protocol.Options{
		Certificate: certificate, Users: map[string]string{"ledger": "w"}, Readers: map[string]string{"reports": "r"},
	})
	as := func(user, password string) string {
		u := url.URL{Scheme: "esdb", Host: s.Addr().String(), User: url.UserPassword(user, password), RawQuery: url.Values{"tlsCaFile": {caFile}}.Encode()}
		return u.String()
	}
	prepare(t, official(t, as("ledger", "w")))
	mustOnlyRead(t, official(t, as("reports", "r")))
	for _, wrong := range []string{as("reports", "w"), as("ledger", "r"), as("reports", "")} {
		if read, err := official(t, wrong).ReadStream(t.Context(), "order-1", esdb.ReadStreamOptions{}, 1); err == nil {
			if _, err = read.Recv(); err == nil {
				t.Errorf("%s may read", wrong)
			}
			read.Close()
		}
	}
}

// TestReadOnly lets nobody write through the server; the node itself is written as before.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	n := openNode(t)
	open := serve(t, protocol.Options{Node: n})
	prepare(t, official(t, open.ConnectionString()))
	if err := open.Stop(); err != nil { // one server at a time has the groups
		t.Fatal(err)
	}
	mustOnlyRead(t, official(t, serve(t, protocol.Options{Node: n, ReadOnly: true}).ConnectionString()))
}

// TestReadOnly_Batches refuses what the Go client never uses and others prefer.
func TestReadOnly_Batches(t *testing.T) {
	t.Parallel()
	w := newWireTo(t, protocol.Options{ReadOnly: true})
	call, err := w.streams.BatchAppend(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	batch := &streams.BatchAppendReq{
		CorrelationId: wireID(uuid.New()), Options: batchOptions("order-1"), ProposedMessages: batchEvents(`{}`), IsFinal: true,
	}
	if err := call.Send(batch); err != nil && !errors.Is(err, io.EOF) { // EOF says that the answer is there
		t.Fatal(err)
	}
	_, err = call.Recv()
	w.wantStatus("batch", err, codes.PermissionDenied, call.Trailer(), map[string]string{"exception": "access-denied"})
}

func TestStart_RefusesAmbiguousUsers(t *testing.T) {
	t.Parallel()
	certificate, _ := selfSigned(t)
	same := map[string]string{"reports": "secret"}
	_, err := protocol.Start(t.Context(), protocol.Options{
		Node: openNode(t), Listen: "127.0.0.1:0", Certificate: certificate, Users: same, Readers: same,
	})
	if err == nil || !strings.Contains(err.Error(), "reports") {
		t.Errorf("got %v", err)
	}
}
