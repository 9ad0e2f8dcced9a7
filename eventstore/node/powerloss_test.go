package node_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// A tagged append is one whose events say which append they belong to, which one of them they are and
// how many there are, so that a log can be checked for half appends.
type taggedAppend struct {
	stream string
	number uint64
	size   int
	result eventstore.AppendResult
}

func taggedEvents(number uint64, size int) []eventstore.EventData {
	out := make([]eventstore.EventData, size)
	for i := range out {
		data := make([]byte, 24, 24+int(number*37%700))
		binary.BigEndian.PutUint64(data, number)
		binary.BigEndian.PutUint64(data[8:], uint64(i))
		binary.BigEndian.PutUint64(data[16:], uint64(size))
		out[i] = eventstore.EventData{ID: uuid.New(), Type: "Tagged", Data: data[:cap(data)]}
	}
	return out
}

// acked collects what a node has acknowledged.
type acked struct {
	mu   sync.Mutex
	list []taggedAppend
}

func (a *acked) add(t taggedAppend) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, t)
}

func (a *acked) snapshot() []taggedAppend {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.list)
}

// checkSurvivors opens what a crash left and checks that every acknowledged append is there, in its
// place, that every append is whole, that the indexes agree with the log, and that the log can grow.
func checkSurvivors(t *testing.T, fs vfs.FS, acknowledged []taggedAppend) {
	t.Helper()
	n, err := node.Open(crashOptions(fs))
	if err != nil {
		t.Fatalf("open after the crash: %v", err)
	}
	events, err := readEverything(n)
	if err != nil {
		t.Fatalf("read after the crash: %v", err)
	}
	checkWhole(t, events)
	checkAcked(t, events, acknowledged)
	if _, err := n.Append(t.Context(), "after", eventstore.Any, taggedEvents(1<<40, 2)...); err != nil {
		t.Errorf("append after the crash: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Errorf("close after the crash: %v", err)
	}
	report, err := node.VerifyFS(t.Context(), fs, "log", nil)
	if err != nil || !report.OK() || report.Events != uint64(len(events)+2) {
		t.Errorf("verify after the crash: %+v, %v", report, err)
	}
}

func readEverything(n *node.Node) (events []eventstore.RecordedEvent, err error) {
	for e, err := range n.ReadAll(context.Background(), eventstore.AllRead{}) {
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

// checkWhole expects that no tagged append is cut or interrupted.
func checkWhole(t *testing.T, events []eventstore.RecordedEvent) {
	t.Helper()
	for i := 0; i < len(events); {
		number, size := binary.BigEndian.Uint64(events[i].Data), int(binary.BigEndian.Uint64(events[i].Data[16:]))
		for k := range size {
			if i+k >= len(events) || binary.BigEndian.Uint64(events[i+k].Data) != number ||
				binary.BigEndian.Uint64(events[i+k].Data[8:]) != uint64(k) || events[i+k].Stream != events[i].Stream {
				t.Fatalf("append %d of %d events is not whole at position %s", number, size, events[i].Position)
			}
		}
		i += size
	}
}

func checkAcked(t *testing.T, events []eventstore.RecordedEvent, acknowledged []taggedAppend) {
	t.Helper()
	byPosition := make(map[eventstore.Position]eventstore.RecordedEvent, len(events))
	for _, e := range events {
		byPosition[e.Position] = e
	}
	for _, a := range acknowledged {
		e, ok := byPosition[a.result.Position]
		if !ok || e.Stream != a.stream || e.Revision != a.result.Revision || binary.BigEndian.Uint64(e.Data) != a.number {
			t.Fatalf("acknowledged append %d to %s@%d at %s is lost; found %s@%d", a.number, a.stream, a.result.Revision, a.result.Position, e.Stream, e.Revision)
		}
	}
}

// crashOptions make flushes and compactions frequent.
func crashOptions(fs vfs.FS) node.Options {
	return node.Options{Dir: "log", FS: fs, MemTableBytes: 256 << 10, CacheBytes: 2 << 20, LiveBufferBytes: 64 << 10, RetryDelay: time.Millisecond}
}

// write appends tagged events by several callers until stop is closed or it was done appends times.
func write(n *node.Node, generation, callers, appends int, stop <-chan struct{}, acks *acked) error {
	var wg sync.WaitGroup
	errs := make([]error, callers)
	for c := range callers {
		wg.Go(func() {
			for i := range appends {
				select {
				case <-stop:
					return
				default:
				}
				a := taggedAppend{stream: fmt.Sprintf("s%d", (c+i)%5), number: uint64(generation*1_000_000_000 + c*1_000_000 + i), size: 1 + i%4}
				var err error
				a.result, err = n.Append(context.Background(), a.stream, eventstore.Any, taggedEvents(a.number, a.size)...)
				if err != nil {
					errs[c] = err
					return
				}
				acks.add(a)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// TestNode_PowerLossAtRandom cuts the power while many callers write, and keeps none, some or all of
// what was not synced; the log goes on from there and loses power again.
func TestNode_PowerLossAtRandom(t *testing.T) {
	t.Parallel()
	for _, keep := range []int{0, 20, 50, 80, 100} {
		t.Run(fmt.Sprintf("Keeps%dPercent", keep), func(t *testing.T) {
			t.Parallel()
			fs := vfs.NewCrashableMem()
			var survived []taggedAppend
			for round := range 4 {
				n, err := node.Open(crashOptions(fs))
				if err != nil {
					t.Fatal(err)
				}
				var acks acked
				stop, done := make(chan struct{}), make(chan error, 1)
				go func() { done <- write(n, round, 8, 1<<20, stop, &acks) }()
				waitFor(t, func() bool { return len(acks.snapshot()) > 100+round*150 })
				survived = append(survived, acks.snapshot()...)
				crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: keep, RNG: rand.New(rand.NewPCG(uint64(round), uint64(keep)))})
				close(stop)
				if err := errors.Join(<-done, n.Close()); err != nil {
					t.Fatal(err)
				}
				checkSurvivors(t, crashed.CrashClone(vfs.CrashCloneCfg{}), survived)
				fs = crashed // the log goes on with what the crash left
			}
		})
	}
}

// TestNode_PowerLossAtEveryStep cuts the power before every operation that changes files or syncs them.
func TestNode_PowerLossAtEveryStep(t *testing.T) {
	t.Parallel()
	type crash struct {
		fs    *vfs.MemFS
		acked []taggedAppend
		op    string
	}
	var (
		mem     = vfs.NewCrashableMem()
		acks    acked
		mu      sync.Mutex
		crashes []crash
		rng     = rand.New(rand.NewPCG(1, 2))
	)
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpRename, errorfs.OpCreate, errorfs.OpRemove, errorfs.OpReuseForWrite, errorfs.OpLink:
		default:
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		// What is acknowledged by now must be in every state of the disk from now on.
		before := acks.snapshot()
		for _, keep := range []int{0, 50} {
			crashes = append(crashes, crash{
				fs:    mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: keep, RNG: rng}),
				acked: before,
				op:    fmt.Sprintf("%v %s keeping %d%%", op.Kind, op.Path, keep),
			})
		}
		return nil
	}))
	n, err := node.Open(crashOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	crashes = nil // a log that was never opened holds nothing
	mu.Unlock()
	if err := errors.Join(write(n, 0, 2, 20, nil, &acks), n.Close()); err != nil {
		t.Fatal(err)
	}
	if len(crashes) < 60 {
		t.Fatalf("only %d crashes", len(crashes))
	}
	for _, c := range crashes {
		if checkSurvivors(t, c.fs, c.acked); t.Failed() {
			t.Fatalf("power lost before %s", c.op)
		}
	}
}
