package node_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// failing makes file operations fail from the n-th on, the first of them only or all of them.
type failing struct {
	err     error
	at      int64 // counted from 1; 0 is never
	forever bool
	match   func(errorfs.Op) bool
	count   atomic.Int64
}

func (f *failing) MaybeError(op errorfs.Op) error {
	if !f.match(op) {
		return nil
	}
	n := f.count.Add(1)
	if f.at != 0 && (n == f.at || f.forever && n > f.at) {
		return fmt.Errorf("%v %s: %w", op.Kind, op.Path, f.err)
	}
	return nil
}

func (f *failing) String() string { return fmt.Sprintf("%v at %d", f.err, f.at) }

// changesFiles matches what a full or a dying disk refuses.
func changesFiles(op errorfs.Op) bool {
	switch op.Kind {
	case errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpLink, errorfs.OpRename,
		errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFilePreallocate,
		errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
		return true
	}
	return false
}

// TestNode_DiskFault lets the n-th change of a file fail, for each n that a short run has: the node
// answers ErrUnavailable or goes on, never crashes, goes on reading what it acknowledged, and what it
// acknowledged is there when the log is opened again on a healthy disk.
func TestNode_DiskFault(t *testing.T) {
	t.Parallel()
	healthy := &failing{match: changesFiles}
	runWithFault(t, healthy)
	operations := healthy.count.Load()
	if operations < 50 {
		t.Fatalf("only %d operations in a run", operations)
	}
	for _, fault := range []struct {
		name    string
		err     error
		forever bool
	}{
		{"EIOOnce", syscall.EIO, false},
		{"EIOForever", syscall.EIO, true},
		{"ENOSPCOnce", syscall.ENOSPC, false},
		{"ENOSPCForever", syscall.ENOSPC, true},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			// Every operation at the start and a spread of the later ones.
			for at := int64(1); at <= operations; at += 1 + at/10 {
				f := &failing{err: fault.err, at: at, forever: fault.forever, match: changesFiles}
				if runWithFault(t, f); t.Failed() {
					t.Fatalf("failed with %v", f)
				}
			}
		})
	}
}

func runWithFault(t *testing.T, f *failing) {
	t.Helper()
	mem := vfs.NewCrashableMem()
	var acks acked
	n, err := node.Open(crashOptions(errorfs.Wrap(mem, f)))
	if err == nil {
		writeUnderFault(t, n, &acks)
		_ = n.Close() // may well fail; what counts is what it leaves
	}
	// The process ends; what it had written is still in the kernel.
	checkSurvivors(t, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))}), acks.snapshot())
	// Or the machine does.
	checkSurvivors(t, mem.CrashClone(vfs.CrashCloneCfg{}), acks.snapshot())
}

func writeUnderFault(t *testing.T, n *node.Node, acks *acked) {
	t.Helper()
	if err := write(n, 0, 3, 40, nil, acks); err != nil && !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("append failed with %v, want ErrUnavailable", err)
	}
	if n.Err() != nil {
		_, err := n.Append(t.Context(), "s", eventstore.Any, taggedEvents(1<<41, 1)...)
		if !errors.Is(err, eventstore.ErrUnavailable) {
			t.Errorf("append to a log that stopped writing: %v", err)
		}
	}
	events, err := readEverything(n)
	if err != nil {
		t.Errorf("read after a failed write: %v", err)
	}
	checkWhole(t, events)
	checkAcked(t, events, acks.snapshot())
}

// TestNode_FailedSyncStopsWriting: after a failed fsync of the write-ahead log nothing is acknowledged any more, even though
// the next fsync would succeed.
func TestNode_FailedSyncStopsWriting(t *testing.T) {
	t.Parallel()
	var armed atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		isSync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
		// Tables are synced in the background, and written again when that fails.
		if isSync && strings.HasSuffix(op.Path, ".log") && armed.CompareAndSwap(true, false) {
			return syscall.EIO
		}
		return nil
	}))
	n := open(t, node.Options{Dir: "log", FS: fs})
	if _, err := n.Append(t.Context(), "s", eventstore.Any, taggedEvents(1, 3)...); err != nil {
		t.Fatal(err)
	}
	armed.Store(true)
	for i := range uint64(3) {
		_, err := n.Append(t.Context(), "s", eventstore.Any, taggedEvents(2+i, 2)...)
		if !errors.Is(err, eventstore.ErrUnavailable) {
			t.Errorf("append %d: %v, want ErrUnavailable", i, err)
		}
	}
	if !errors.Is(n.Err(), syscall.EIO) {
		t.Errorf("node says %v, want the failed sync", n.Err())
	}
	select {
	case <-n.Failed():
	default:
		t.Error("whoever waits for the node to fail is not told")
	}
	events, err := readEverything(n)
	if err != nil || len(events) != 3 {
		t.Errorf("%d events readable, %v; want the 3 that were acknowledged", len(events), err)
	}
	if got, err := collect(n.ReadStream(t.Context(), "s", eventstore.StreamRead{})); err != nil || len(got) != 3 {
		t.Errorf("%d events in the stream, %v; want the 3 that were acknowledged", len(got), err)
	}
}

// TestNode_DiskFullHeals: while tables cannot be written reads go on and appends are refused; when
// there is room again appends are taken without a restart.
func TestNode_DiskFullHeals(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	mem := vfs.NewCrashableMem()
	opts := crashOptions(errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && changesFiles(op) && strings.HasSuffix(op.Path, ".sst") {
			return syscall.ENOSPC
		}
		return nil
	})))
	opts.RetryDelay = 50 * time.Millisecond
	n := open(t, opts)
	var acks acked
	if err := write(n, 0, 2, 20, nil, &acks); err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	err := write(n, 1, 2, 1<<20, nil, &acks)
	if !errors.Is(err, eventstore.ErrUnavailable) {
		t.Fatalf("appends to a full disk: %v, want ErrUnavailable", err)
	}
	events, err := readEverything(n)
	if err != nil {
		t.Fatalf("read from a full disk: %v", err)
	}
	checkAcked(t, events, acks.snapshot())
	full.Store(false)
	waitFor(t, func() bool { return write(n, 2, 1, 1, nil, &acks) == nil })
	if err := write(n, 3, 2, 200, nil, &acks); err != nil {
		t.Errorf("append after the disk has room again: %v", err)
	}
	checkSurvivors(t, mem.CrashClone(vfs.CrashCloneCfg{}), acks.snapshot())
}
