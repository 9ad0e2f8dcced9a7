package app_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/eventstore"
)

// TestScavenge_KeepsTheLedgersStreams: a client of the event store that limits or deletes streams of the ledger makes no
// scavenge destroy what they hold; sheets of keys and streams of others are scavenged.
func TestScavenge_KeepsTheLedgersStreams(t *testing.T) {
	t.Parallel()
	store := openStore(t, config.Settings{DataDir: t.TempDir(), EventStore: config.Embedded})
	defer func() { _ = store.Close() }()
	kept := []string{
		"order-1", "ordertest-1", "payout-1", "quarantine-decta", "ref-decta-order-1", "settlement-1", "settlement-booked-1",
		"period-default", "period-entities", "exports-default", "webhook-shop", "ledger-keys",
	}
	for _, stream := range append(kept, "ledger-keys-01M8KYMC576TQVY507KS4XAFZF", "canary-views", "of-others") {
		for range 2 {
			if _, err := store.Append(t.Context(), stream, eventstore.Any, eventstore.EventData{ID: uuid.New(), Type: "Said", Data: []byte("what counts")}); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if len(stream)%2 == 0 {
			_, err = store.Node.DeleteStream(t.Context(), stream, eventstore.Any)
		} else {
			_, err = store.Node.SetStreamMetadata(t.Context(), stream, eventstore.Any, []byte(`{"$tb":2}`))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if report, err := store.Node.Scavenge(t.Context(), ""); err != nil || report.Events != 3*2 {
		t.Errorf("%+v, %v; want the events of 3 streams", report, err)
	}
	shown := map[string]int{}
	for e, err := range store.ReadAll(t.Context(), eventstore.AllRead{}) {
		if err != nil {
			t.Fatal(err)
		}
		if string(e.Data) == "what counts" {
			shown[e.Stream]++
		}
	}
	for _, stream := range kept {
		if shown[stream] != 2 {
			t.Errorf("%d events of %s are left", shown[stream], stream)
		}
	}
}
