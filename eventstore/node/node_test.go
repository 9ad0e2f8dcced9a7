package node_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

func newEvent(eventType string) eventstore.EventData {
	return eventstore.EventData{ID: uuid.New(), Type: eventType, JSON: true, Data: []byte(`{}`)}
}

func TestNode_ReopenKeepsEverything(t *testing.T) {
	t.Parallel()
	opts := node.Options{Dir: filepath.Join(t.TempDir(), "made", "by", "open")}
	first := []eventstore.EventData{newEvent("A"), newEvent("B")}
	n := open(t, opts)
	original, err := n.Append(t.Context(), "s", eventstore.Any, first...)
	if err != nil {
		t.Fatal(err)
	}
	before, err := readEverything(n)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}

	n = open(t, opts)
	after, err := readEverything(n)
	if err != nil || len(after) != 2 {
		t.Fatalf("%d events, %v", len(after), err)
	}
	for i := range after {
		if fmt.Sprint(after[i]) != fmt.Sprint(before[i]) {
			t.Errorf("event %d was %v, is %v", i, before[i], after[i])
		}
	}
	// The event-id index is durable: a repetition is recognised without a revision, too.
	again, err := n.Append(t.Context(), "s", eventstore.Any, first...)
	if err != nil || !again.Idempotent || again.Position != original.Position {
		t.Errorf("repeated append: %+v, %v; want %+v", again, err, original)
	}
	next, err := n.Append(t.Context(), "s", eventstore.Revision(1), newEvent("C"))
	if err != nil || next.Position.Compare(original.Position) <= 0 {
		t.Errorf("append: %+v, %v", next, err)
	}
}

func TestNode_StampsWithItsClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 123456789, time.FixedZone("", 3600))
	n := open(t, node.Options{Dir: "log", FS: vfs.NewMem(), Clock: func() time.Time { return now }})
	if _, err := n.Append(t.Context(), "s", eventstore.Any, newEvent("A")); err != nil {
		t.Fatal(err)
	}
	events, err := readEverything(n)
	if want := now.UTC().Truncate(100); err != nil || len(events) != 1 || events[0].Created != want {
		t.Errorf("created %v, %v; want %v", events, err, want)
	}
}

// TestNode_MaxAge: events older than $maxAge are not shown; their stream still exists.
func TestNode_MaxAge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	n := open(t, node.Options{Dir: "log", FS: vfs.NewMem(), Clock: func() time.Time { return now }})
	if _, err := n.SetStreamMetadata(t.Context(), "s", eventstore.Any, []byte(`{"$maxAge":60}`)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := n.Append(t.Context(), "s", eventstore.Any, newEvent("A")); err != nil {
			t.Fatal(err)
		}
		now = now.Add(40 * time.Second)
	}
	for want := 1; want >= 0; want-- {
		for _, d := range []eventstore.Direction{eventstore.Forwards, eventstore.Backwards} {
			got, err := collect(n.ReadStream(t.Context(), "s", eventstore.StreamRead{Direction: d}))
			if err != nil || len(got) != want || want == 1 && got[0].Revision != 2 {
				t.Errorf("read after %s: %v, %v; want the newest %d", now, got, err, want)
			}
		}
		now = now.Add(40 * time.Second)
	}
}

// TestNode_RefusesWhenQueueIsFull holds the disk back until more appends wait than are allowed.
func TestNode_RefusesWhenQueueIsFull(t *testing.T) {
	t.Parallel()
	const queue = 8
	n := openHeld(t, node.Options{MaxQueuedAppends: queue, MaxGroupAppends: 1})
	n.gate.Lock()
	refused, answers := make(chan error, 1), make(chan error, 1024)
	var wg sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	appends, waiting := 0, true
	for ; waiting && appends < 40*queue && ctx.Err() == nil; appends++ {
		wg.Go(func() {
			_, err := n.Append(ctx, "s", eventstore.Any, newEvent("A"))
			if answers <- err; err != nil {
				select {
				case refused <- err:
				default:
				}
			}
		})
		select {
		case err := <-refused:
			if waiting = false; !errors.Is(err, eventstore.ErrUnavailable) || !strings.Contains(err.Error(), "too busy") {
				t.Errorf("append to a full queue: %v", err)
			}
		case <-time.After(time.Millisecond):
		}
	}
	if appends < queue || waiting {
		t.Errorf("refused after %d appends: %t; the queue holds %d", appends, !waiting, queue)
	}
	n.gate.Unlock()
	wg.Wait()
	close(answers)
	written := 0
	for err := range answers {
		if err == nil {
			written++
		}
	}
	if events, err := readEverything(n.Node); err != nil || len(events) != written {
		t.Errorf("%d events, %v; %d appends were acknowledged", len(events), err, written)
	}
}

// TestNode_CancelledWhileQueued: an append that is called off before it was decided never happens.
func TestNode_CancelledWhileQueued(t *testing.T) {
	t.Parallel()
	n := openHeld(t, node.Options{MaxGroupAppends: 1})
	n.gate.Lock()
	ctx, cancel := context.WithCancel(t.Context())
	const appends = 50
	errs := make(chan error, appends)
	for range appends {
		go func() {
			_, err := n.Append(ctx, "s", eventstore.Any, newEvent("A"))
			errs <- err
		}()
	}
	waitFor(t, func() bool { return n.Stats().Queued > appends/2 })
	cancel()
	for range appends {
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("append: %v", err)
		}
	}
	n.gate.Unlock()
	if _, err := n.Append(t.Context(), "s", eventstore.Any, newEvent("Last")); err != nil {
		t.Fatal(err)
	}
	events, err := readEverything(n.Node)
	if err != nil || len(events) > appends/2 {
		t.Errorf("%d events, %v: appends that were called off while queued were written", len(events), err)
	}
}

// lowSpace is a file system that is nearly full.
type lowSpace struct {
	vfs.FS
	free func() uint64
}

func (fs lowSpace) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: fs.free(), TotalBytes: 1 << 40}, nil
}

func (fs lowSpace) Unwrap() vfs.FS { return fs.FS }

func TestNode_RefusesAppendsWhenSpaceIsLow(t *testing.T) {
	t.Parallel()
	free := uint64(1 << 30)
	var mu sync.Mutex
	setFree := func(n uint64) { mu.Lock(); defer mu.Unlock(); free = n }
	n := open(t, node.Options{Dir: "log", MinFreeBytes: 1 << 20, FS: lowSpace{FS: vfs.NewMem(), free: func() uint64 {
		mu.Lock()
		defer mu.Unlock()
		return free
	}}})
	if _, err := n.Append(t.Context(), "s", eventstore.Any, newEvent("A")); err != nil {
		t.Fatal(err)
	}
	setFree(1000)
	waitFor(t, func() bool {
		_, err := n.Append(t.Context(), "s", eventstore.Any, newEvent("B"))
		return errors.Is(err, eventstore.ErrUnavailable)
	})
	if err := n.Refuses(); err == nil || !strings.Contains(err.Error(), "disk full: 0 MiB free in log, 1 MiB are kept free") {
		t.Errorf("the reason of a full disk is %v", err)
	}
	if events, err := readEverything(n); err != nil || len(events) == 0 {
		t.Errorf("read with little space: %d events, %v", len(events), err)
	}
	setFree(1 << 30)
	waitFor(t, func() bool {
		_, err := n.Append(t.Context(), "s", eventstore.Any, newEvent("C"))
		return err == nil
	})
	if err := n.Refuses(); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

func TestNode_TooManySubscriptions(t *testing.T) {
	t.Parallel()
	n := open(t, node.Options{Dir: "log", FS: vfs.NewMem(), MaxSubscriptions: 1})
	for m, err := range n.SubscribeAll(t.Context(), eventstore.AllSubscription{}) {
		if _, ok := m.(eventstore.CaughtUp); !ok || err != nil {
			t.Fatalf("first subscription: %v, %v", m, err)
		}
		for _, err := range n.SubscribeStream(t.Context(), "s", nil) {
			if !errors.Is(err, eventstore.ErrUnavailable) {
				t.Errorf("second subscription: %v", err)
			}
			break
		}
		break
	}
	for _, err := range n.SubscribeStream(t.Context(), "s", nil) {
		if err != nil {
			t.Errorf("subscription after the first one ended: %v", err)
		}
		break
	}
}

func TestOpen_RefusesForeignVersion(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	n := open(t, node.Options{Dir: "log", FS: fs})
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	corrupt(t, fs, func(db pebbleWriter) error { return db.Set([]byte("mformat"), []byte("99"), nil) })
	if _, err := node.Open(node.Options{Dir: "log", FS: fs}); err == nil || !strings.Contains(err.Error(), `"99"`) {
		t.Errorf("open of format version 99: %v", err)
	}
}

func TestOpen_RefusesEmptyDir(t *testing.T) {
	t.Parallel()
	if _, err := node.Open(node.Options{}); err == nil {
		t.Error("node without a directory")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Open(node.Options{Dir: file}); err == nil {
		t.Error("node in a file")
	}
}
