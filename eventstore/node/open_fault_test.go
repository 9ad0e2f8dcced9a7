package node_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/order-ledger/order-ledger/eventstore/node"
)

// openTimeout is how long opening and closing a small log may take on a disk that fails.
const openTimeout = 20 * time.Second

// TestOpen_DiskFault opens a log whose process was killed on a disk that takes no more from the n-th change of a file
// on, or fails once, for each n that opening and closing it has: Open says so, or there is a node that reads, and both end.
// Nothing of the log is lost by it.
func TestOpen_DiskFault(t *testing.T) {
	t.Parallel()
	mem := vfs.NewCrashableMem()
	n := open(t, crashOptions(mem))
	var acks acked
	if err := write(n, 0, 3, 40, nil, &acks); err != nil {
		t.Fatal(err)
	}
	killed := func() *vfs.MemFS {
		return mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
	}
	healthy := &failing{match: changesFiles}
	openWithFault(t, killed(), healthy, acks.snapshot())
	operations := healthy.count.Load()
	if operations < 10 {
		t.Fatalf("only %d operations to open a log", operations)
	}
	for _, fault := range []syscall.Errno{syscall.ENOSPC, syscall.EIO} {
		for _, forever := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d/Forever=%t", fault, forever), func(t *testing.T) {
				t.Parallel()
				for at := int64(1); at <= operations; at++ {
					f := &failing{err: fault, at: at, forever: forever, match: changesFiles}
					if openWithFault(t, killed(), f, acks.snapshot()); t.Failed() {
						t.Fatalf("failed with %v of %d", f, operations)
					}
				}
			})
		}
	}
}

func openWithFault(t *testing.T, mem *vfs.MemFS, f *failing, acks []taggedAppend) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		n, err := node.Open(crashOptions(errorfs.Wrap(mem, f)))
		if err != nil {
			if !errors.Is(err, f.err) {
				t.Errorf("open says %v, and not why: %v", err, f)
			}
			return
		}
		events, err := readEverything(n)
		if err != nil {
			t.Errorf("read: %v", err)
		}
		checkWhole(t, events)
		checkAcked(t, events, acks)
		_ = n.Close() // may well fail; what counts is what it leaves
	}()
	timer := time.NewTimer(openTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Fatalf("open or close hangs with %v", f)
	}
	checkSurvivors(t, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))}), acks)
}
