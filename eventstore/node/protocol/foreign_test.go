package protocol_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// foreignEvents are what others have written to the server of TestForeignServer_Conformance.
const foreignEvents = 30_000

// fillForeign writes what a server in use holds: system streams with and without links, streams of others, deleted ones.
func fillForeign(t *testing.T, n *node.Node) {
	t.Helper()
	write := func(stream, eventType string, count int, body func(i int) string) {
		events := make([]eventstore.EventData, count)
		for i := range events {
			events[i] = eventstore.EventData{ID: uuid.New(), Type: eventType, Data: []byte(body(i))}
		}
		if _, err := n.Append(t.Context(), stream, eventstore.Any, events...); err != nil {
			t.Fatal(err)
		}
	}
	object := func(int) string { return `{}` }
	for _, system := range []string{"$users", "$user-admin", "$user-ops", "$projections-$all", "$scavenges", "$settings"} {
		write(system, "$UserCreated", 3, object)
	}
	const each = 1000
	for i := range foreignEvents / each {
		stream := fmt.Sprintf("invoice-%d", i)
		write(stream, "InvoiceSent", each, object)
		write("$ce-invoice", "$>", 10, func(n int) string { return fmt.Sprintf("%d@%s", n, stream) })
		if i%10 != 0 {
			continue
		}
		if _, err := n.DeleteStream(t.Context(), stream, eventstore.Any); err != nil {
			t.Fatal(err)
		}
	}
}

// TestForeignServer_Conformance runs the suite as against a real server, over TLS with a user: against one node for all
// tests, which holds much of what others wrote, system streams included, and goes on holding exactly that.
func TestForeignServer_Conformance(t *testing.T) {
	t.Parallel()
	if testing.Short() || raceMemory > 1 {
		t.Skip("the suite runs against empty logs already, with the race detector too")
	}
	n := openNode(t)
	fillForeign(t, n)
	before, _, err := n.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, connect := secured(t, n)
	connection := connect("ledger", "p:ss wörd")
	t.Run("Suite", func(t *testing.T) { runAgainst(t, connection) })

	// Of the suite nothing is left but what a log keeps of deleted streams.
	seen := map[string]bool{}
	for e, err := range n.ReadAll(t.Context(), eventstore.AllRead{From: &before}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Position == before || strings.HasPrefix(e.Stream, "$") || seen[e.Stream] {
			continue
		}
		seen[e.Stream] = true
		if !strings.HasPrefix(e.Stream, "conformance") && !strings.HasPrefix(e.Stream, "stock") {
			t.Errorf("the suite wrote to %s", e.Stream)
		}
		for _, err := range n.ReadStream(t.Context(), e.Stream, eventstore.StreamRead{Count: 1}) {
			if !errors.Is(err, eventstore.ErrStreamNotFound) && !errors.Is(err, eventstore.ErrStreamDeleted) {
				t.Errorf("stream %s is left: %v", e.Stream, err)
			}
		}
	}
	if len(seen) < 100 {
		t.Errorf("the suite wrote to %d streams only", len(seen))
	}
	config, err := esdb.ParseConnectionString(connection)
	if err != nil {
		t.Fatal(err)
	}
	config.Logger = esdb.NoopLogging()
	client, err := esdb.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if groups, err := client.ListAllPersistentSubscriptions(t.Context(), esdb.ListPersistentSubscriptionsOptions{}); err != nil || len(groups) > 0 {
		t.Errorf("%d groups are left, %v", len(groups), err)
	}
}
