package node_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// TestNode_OneSyncPerGroup: each append of a lone caller is synced by itself, and all that wait meanwhile are synced together.
func TestNode_OneSyncPerGroup(t *testing.T) {
	t.Parallel()
	var syncs atomic.Int64
	gate := &sync.RWMutex{}
	n := open(t, node.Options{Dir: "log", FS: errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.HasSuffix(op.Path, ".log") && op.Kind == errorfs.OpFileSyncData {
			gate.RLock()
			defer gate.RUnlock()
			syncs.Add(1)
		}
		return nil
	}))})
	const alone = 20
	if _, err := n.Append(t.Context(), "s", eventstore.Any, newEvent("First")); err != nil { // begins the log
		t.Fatal(err)
	}
	before := syncs.Load()
	for range alone {
		if _, err := n.Append(t.Context(), "s", eventstore.Any, newEvent("Alone")); err != nil {
			t.Fatal(err)
		}
	}
	if got := syncs.Load() - before; got != alone {
		t.Errorf("%d appends of one caller, one after the other, took %d syncs", alone, got)
	}

	const together = 200
	gate.Lock()
	before = syncs.Load()
	var work sync.WaitGroup
	var callers atomic.Int64
	for i := range together {
		work.Go(func() {
			callers.Add(1)
			if _, err := n.Append(t.Context(), fmt.Sprint(i), eventstore.Any, newEvent("Together")); err != nil {
				t.Error(err)
			}
		})
	}
	// The groups that are under way take some; all others wait in the queue.
	last, same := -1, 0
	waitFor(t, func() bool {
		if q := n.Stats().Queued; q != last {
			last, same = q, 0
		}
		same++
		return callers.Load() == together && same > 5
	})
	gate.Unlock()
	work.Wait()
	if got := syncs.Load() - before; got > together/10 {
		t.Errorf("%d appends that waited together took %d syncs", together, got)
	}
}

// TestNode_RepetitionWaitsForTheOriginal: a repeated append is not answered before what it repeats is synced.
func TestNode_RepetitionWaitsForTheOriginal(t *testing.T) {
	t.Parallel()
	h := openHeld(t, node.Options{})
	if _, err := h.Append(t.Context(), "s", eventstore.NoStream, newEvent("Synced")); err != nil {
		t.Fatal(err)
	}
	h.gate.Lock()
	e := newEvent("Held")
	type answer struct {
		result eventstore.AppendResult
		err    error
	}
	answers := make(chan answer, 3)
	for _, expected := range []eventstore.ExpectedRevision{eventstore.Revision(0), eventstore.Revision(0), eventstore.Any} {
		go func() {
			result, err := h.Append(context.Background(), "s", expected, e)
			answers <- answer{result, err}
		}()
	}
	h.settle(t)
	select {
	case a := <-answers:
		t.Errorf("answered before the sync: %+v", a)
		answers <- a
	default:
	}
	h.gate.Unlock()
	repeated := 0
	for range 3 {
		a := <-answers
		if a.err != nil || a.result.Revision != 1 || a.result.Position.Commit != 2 {
			t.Errorf("answer %+v, want revision 1 at position 2", a)
		}
		if a.result.Idempotent {
			repeated++
		}
	}
	if repeated != 2 {
		t.Errorf("%d of three equal appends are told to be repetitions, want 2", repeated)
	}
}

// TestNode_CancelledAfterDecided: an append whose caller leaves when it was decided stands, and the retry finds it.
func TestNode_CancelledAfterDecided(t *testing.T) {
	t.Parallel()
	h := openHeld(t, node.Options{})
	if _, err := h.Append(t.Context(), "s", eventstore.NoStream, newEvent("Synced")); err != nil {
		t.Fatal(err)
	}
	h.gate.Lock()
	ctx, cancel := context.WithCancel(t.Context())
	e := newEvent("Left")
	left := make(chan error, 1)
	go func() {
		_, err := h.Append(ctx, "s", eventstore.Revision(0), e)
		left <- err
	}()
	h.settle(t) // it is taken: nothing is queued while there is room for another group
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("append of a caller that left: %v", err)
	}
	h.gate.Unlock()
	again, err := h.Append(t.Context(), "s", eventstore.Revision(0), e)
	if err != nil || !again.Idempotent || again.Revision != 1 {
		t.Errorf("the retry: %+v, %v; want that revision 1 is known", again, err)
	}
	if events, err := collect(h.ReadStream(t.Context(), "s", eventstore.StreamRead{})); err != nil || len(events) != 2 {
		t.Errorf("%d events, %v; want 2", len(events), err)
	}
}

// TestNode_ReadsAreOneCut: a read shows the log as of its start, whatever is appended, cut off or deleted while its
// consumer takes its time.
func TestNode_ReadsAreOneCut(t *testing.T) {
	t.Parallel()
	const before = 3000 // several chunks
	changes := map[string]func(context.Context, *node.Node) error{
		"Append": func(ctx context.Context, n *node.Node) error {
			_, err := n.Append(ctx, "s", eventstore.Any, newEvent("Later"))
			return err
		},
		"Truncate": func(ctx context.Context, n *node.Node) error {
			_, err := n.SetStreamMetadata(ctx, "s", eventstore.Any, []byte(`{"$tb":2990}`))
			return err
		},
		"MaxCount": func(ctx context.Context, n *node.Node) error {
			_, err := n.SetStreamMetadata(ctx, "s", eventstore.Any, []byte(`{"$maxCount":1}`))
			return err
		},
		"Delete": func(ctx context.Context, n *node.Node) error {
			_, err := n.DeleteStream(ctx, "s", eventstore.Any)
			return err
		},
		"Tombstone": func(ctx context.Context, n *node.Node) error {
			_, err := n.TombstoneStream(ctx, "s", eventstore.Any)
			return err
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := open(t, node.Options{Dir: "log", FS: vfs.NewMem()})
			var want []string
			for range before / 100 {
				events := make([]eventstore.EventData, 100)
				for i := range events {
					events[i] = newEvent("Before")
					want = append(want, events[i].ID.String())
				}
				if _, err := n.Append(t.Context(), "s", eventstore.Any, events...); err != nil {
					t.Fatal(err)
				}
			}
			reads := map[string]func(func(eventstore.RecordedEvent, error) bool){}
			for _, d := range []eventstore.Direction{eventstore.Forwards, eventstore.Backwards} {
				reads[fmt.Sprint("stream", d)] = n.ReadStream(t.Context(), "s", eventstore.StreamRead{Direction: d})
				reads[fmt.Sprint("all", d)] = n.ReadAll(t.Context(), eventstore.AllRead{Direction: d})
			}
			changed := sync.OnceValue(func() error { return change(t.Context(), n) })
			var started, ended sync.WaitGroup
			started.Add(len(reads))
			for name, read := range reads {
				ended.Go(func() {
					var got []string
					begun := sync.OnceFunc(started.Done)
					defer begun()
					for e, err := range read {
						if err != nil {
							t.Errorf("%s: after %d events: %v", name, len(got), err)
							break
						}
						if got = append(got, e.ID.String()); len(got) == 1 { // all have begun before anything changes
							begun()
							started.Wait()
							if err := changed(); err != nil {
								t.Error(err)
							}
						}
					}
					if strings.HasSuffix(name, fmt.Sprint(eventstore.Backwards)) {
						slices.Reverse(got)
					}
					if !slices.Equal(got, want) {
						t.Errorf("%s shows %d events, want the %d of its beginning", name, len(got), len(want))
					}
				})
			}
			ended.Wait()
		})
	}
}

// TestBackup_SurvivesPowerLoss: a copy that Backup has told of is there, and whole, when the power fails.
func TestBackup_SurvivesPowerLoss(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrashableMem()
	n := open(t, crashOptions(disk))
	var acks acked
	if err := write(n, 0, 2, 40, nil, &acks); err != nil {
		t.Fatal(err)
	}
	if err := n.Backup(t.Context(), "copy"); err != nil {
		t.Fatal(err)
	}
	options := crashOptions(disk.CrashClone(vfs.CrashCloneCfg{}))
	options.Dir = "copy"
	restored := open(t, options)
	events, err := readEverything(restored)
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, events)
	checkAcked(t, events, acks.snapshot())
}
