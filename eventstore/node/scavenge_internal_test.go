package node

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
)

// TestScavenge_BehindARead: a read that began before a stream's metadata was replaced and scavenged goes by the metadata
// that took its place, and not by none.
func TestScavenge_BehindARead(t *testing.T) {
	t.Parallel()
	n, err := Open(Options{Dir: "log", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = n.Close() }()
	limit := func(metadata string) {
		t.Helper()
		if _, err := n.SetStreamMetadata(t.Context(), "s", eventstore.Any, []byte(metadata)); err != nil {
			t.Fatal(err)
		}
	}
	limit(`{"$maxCount":1}`)
	for range 3 {
		if _, err := n.Append(t.Context(), "s", eventstore.Any, eventstore.EventData{ID: uuid.New(), Type: "T", Data: []byte("data")}); err != nil {
			t.Fatal(err)
		}
	}
	began := n.live.head()
	limit(`{"$maxCount":1,"again":true}`)
	if _, err := n.Scavenge(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	scan, err := n.scanStream("s", eventstore.StreamRead{}, began)
	if err != nil || scan.low != 2 {
		t.Errorf("shows revisions from %d on, %v; want 2", scan.low, err)
	}
}
