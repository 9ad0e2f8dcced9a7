package projections_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/projections/rebuild"
)

// A rebuild holds as much of the log as a unit is, and a few times that for what it makes of it, and not more the longer the
// log is: what docs/operations/projections.md counts its memory with. All of the heap counts, so it is measured alone.
//
//nolint:paralleltest // see above
func TestRebuild_MemoryIsOfUnits(t *testing.T) {
	const (
		unit    = 64 << 10
		timesOf = 3       // what is made of a unit
		besides = 2 << 20 // connections and buffers
	)
	log, url := newLog(t), newDatabase(t)
	w := newWorld(91)
	appendMany(t, log, w.history(t, 1500, 2000))
	cfg := rebuildConfig(t, log, url, t.TempDir())
	cfg.Workers, cfg.UnitBytes, cfg.MarkEvery = 1, unit, rebuild.DefaultMarkEvery
	var before, most int64
	loaded, enough := make(chan struct{}), errors.New("it is loaded")
	var sampling sync.WaitGroup
	cfg.Reached = func(_ context.Context, point rebuild.Point) error {
		switch point {
		case rebuild.PointSpilled:
			before = heap()
			sampling.Go(func() {
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-loaded:
						return
					case <-tick.C:
						most = max(most, heap())
					}
				}
			})
		case rebuild.PointLoaded:
			close(loaded)
			return enough
		default:
		}
		return nil
	}
	if _, err := newEngine(t, cfg).All(t.Context(), ""); !errors.Is(err, enough) {
		t.Fatal(err)
	}
	sampling.Wait()
	took := most - before
	t.Logf("loading takes %d bytes, %.1f times a unit", took, float64(took)/unit)
	if took > timesOf*unit+besides {
		t.Errorf("loading takes %d bytes in units of %d", took, unit)
	}
}

// heap is what is in use after a collection, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
