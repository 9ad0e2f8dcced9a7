package node

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/order-ledger/order-ledger/eventstore"
)

// TestGuardFS_TakesAppendsAgain: appends are refused while tables fail to be written. They are taken again once one was
// written, and also when nothing has tried for a while: a compaction that failed once may never be tried again, and no
// table is written while no append is taken.
func TestGuardFS_TakesAppendsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opts, err := Options{Dir: "log", FS: vfs.NewMem(), RetryDelay: time.Second}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		g := newGuardFS(opts, newFailure())
		g.armed.Store(true)
		refused := func() bool { return errors.Is(g.refuse(), eventstore.ErrUnavailable) }
		fail := func() {
			if err := g.result("write", "000001.sst", syscall.ENOSPC); !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
		}
		for range 3 {
			fail() // takes the delay
			if !refused() {
				t.Error("taken while attempts fail")
			}
		}
		<-time.After(tableSilence*time.Second - 2*time.Second)
		if !refused() {
			t.Error("taken although the next attempt may come")
		}
		<-time.After(time.Second)
		if refused() {
			t.Error("refused although nobody tries any more")
		}
		fail()
		if !refused() {
			t.Error("taken after another failure")
		}
		f := guardFile{File: discarded{}, fs: g, name: "000001.sst"}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		if refused() {
			t.Error("refused after a table was written")
		}
	})
}

type discarded struct{ vfs.File }

func (discarded) Sync() error { return nil }
