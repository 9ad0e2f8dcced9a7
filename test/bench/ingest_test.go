// Package bench_test measures the whole ledger: the built binary, durable, with
// PostgreSQL, beside the raw limits of the machine in the same run.
//
//	go test ./test/bench -run '^$' -bench . -benchtime 1x
//
// LEDGER_BENCH_ORDERS sets the size; -short makes it tiny, to see that the
// benchmarks work.
package bench_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/order-ledger/order-ledger/test/harness"
)

func benchOrders(b *testing.B) int {
	b.Helper()
	if text := os.Getenv("LEDGER_BENCH_ORDERS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n <= 0 {
			b.Fatalf("LEDGER_BENCH_ORDERS is %q, want a number above 0", text)
		}
		return n
	}
	if testing.Short() {
		return 200
	}
	return 50_000
}

// BenchmarkIngest takes simulated notifications of all three gateways in,
// durable and projected, with a private PostgreSQL that syncs. It reports
// notifications a second into the log, how much later the views show the last
// of them, the ledger's peak memory, and the rate as a share of what a bare
// Pebble does with the same bytes, committed in groups by 256 callers.
func BenchmarkIngest(b *testing.B) {
	dir := b.TempDir()
	orders := benchOrders(b)
	for b.Loop() {
		site := harness.NewSite(b, harness.Options{Private: true})
		site.RunOK(b, "simulate", "--orders", strconv.Itoa(orders), "--seed", "7", "--out", dir)
		site.RunOK(b, "migrate") // the first start of PostgreSQL is no part of it
		var notifications, seconds, behind, peak float64
		for _, gateway := range []string{"decta", "everifin", "connectpay"} {
			file := filepath.Join(dir, gateway+".ndjson")
			process := harness.Launch(b, site.Command("ingest", "--json", "--gateway", gateway, file))
			result := process.Wait(b)
			if result.Code != 0 {
				b.Fatalf("ingest %s: exit code %d\n%s", gateway, result.Code, result.Stderr)
			}
			var s struct {
				Accepted, Duplicate, Quarantined, Failed uint64
				Seconds                                  float64
				ViewsSeconds                             float64 `json:"views_seconds"`
			}
			if err := json.Unmarshal([]byte(result.LastLine()), &s); err != nil {
				b.Fatal(err)
			}
			n := float64(s.Accepted + s.Duplicate + s.Quarantined)
			b.ReportMetric(n/s.Seconds, gateway+"/s")
			notifications, seconds = notifications+n, seconds+s.Seconds
			behind, peak = max(behind, s.ViewsSeconds), max(peak, float64(process.PeakMemory()))
		}
		rate := notifications / seconds
		b.ReportMetric(rate, "notifications/s")
		b.ReportMetric(behind*1000, "ms-views-behind")
		b.ReportMetric(peak/(1<<20), "MiB-peak")
		b.ReportMetric(100*rate/rawPebble(b, int(notifications)), "%-of-bare-Pebble")
	}
}

// rawPebble is the limit of the storage engine: three records of 500 bytes for
// each notification, synced, by 256 callers whose commits Pebble groups.
func rawPebble(b *testing.B, notifications int) (perSecond float64) {
	b.Helper()
	db, err := pebble.Open(b.TempDir(), &pebble.Options{Logger: quiet{}})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	}()
	const callers, records = 256, 3
	value := make([]byte, 500)
	each := max(1, notifications/callers)
	began := time.Now()
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				batch := db.NewBatch()
				for r := range records {
					key := []byte("e/" + strconv.Itoa(i) + "/" + strconv.Itoa(c) + "/" + strconv.Itoa(r))
					if err := batch.Set(key, value, nil); err != nil {
						b.Error(err)
					}
				}
				if err := batch.Commit(pebble.Sync); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return float64(each*callers) / time.Since(began).Seconds()
}

// quiet drops Pebble's log.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, _ ...any) {
	panic(format)
}
