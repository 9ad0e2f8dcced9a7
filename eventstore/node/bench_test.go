//go:build unix

package node_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// The load of the benchmarks is the intake's: appends of three events of 500 bytes, each to a stream
// of its own.
const (
	benchEvents    = 3
	benchDataBytes = 400
	benchMetaBytes = 100
)

func benchAppend() []eventstore.EventData {
	out := make([]eventstore.EventData, benchEvents)
	for i := range out {
		out[i] = eventstore.EventData{
			ID: uuid.New(), Type: "order.payment.captured", JSON: true,
			Data: filler(benchDataBytes), Metadata: filler(benchMetaBytes),
		}
	}
	return out
}

// BenchmarkAppend measures durable appends by concurrent callers, and beside them a bare group commit
// of the same records to Pebble, without streams, indexes, decisions or checksums of our own. Read
// the ratio of the two within one run.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d/node", callers), func(b *testing.B) {
			n := open(b, node.Options{Dir: b.TempDir()})
			benchmarkCallers(b, callers, func(i int, events []eventstore.EventData) error {
				_, err := n.Append(context.Background(), fmt.Sprintf("order-%d", i), eventstore.NoStream, events...)
				return err
			})
		})
		b.Run(fmt.Sprintf("callers=%d/bare", callers), func(b *testing.B) {
			bare := openBareLog(b)
			benchmarkCallers(b, callers, func(_ int, events []eventstore.EventData) error { return bare.append(events) })
		})
	}
}

// benchmarkCallers lets a number of callers append in a closed loop and reports the rate of appends,
// their latency and the CPU time of the whole process for each.
func benchmarkCallers(b *testing.B, callers int, appendEvents func(i int, events []eventstore.EventData) error) {
	b.ReportAllocs()
	var next atomic.Int64
	latencies := make([][]time.Duration, callers)
	payload := benchAppend()
	b.ResetTimer()
	start, cpu := time.Now(), cpuTime()
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for {
				i := int(next.Add(1))
				if i > b.N {
					return
				}
				events := slices.Clone(payload)
				for k := range events {
					binary.LittleEndian.PutUint64(events[k].ID[:], uint64(i*benchEvents+k)*0x9e3779b97f4a7c15)
				}
				began := time.Now()
				if err := appendEvents(i, events); err != nil {
					b.Error(err)
					return
				}
				latencies[c] = append(latencies[c], time.Since(began))
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	all := slices.Concat(latencies...)
	slices.Sort(all)
	b.ReportMetric(float64(b.N)/elapsed.Seconds(), "appends/s")
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-µs/append")
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bareLog is the least that a durable log over Pebble must do: one goroutine puts what is queued into
// one synced batch, a key per event, and answers.
type bareLog struct {
	queue chan bareAppend
}

type bareAppend struct {
	events []eventstore.EventData
	done   chan error
}

func openBareLog(b *testing.B) *bareLog {
	cache := pebble.NewCache(96 << 20)
	defer cache.Unref()
	db, err := pebble.Open(b.TempDir(), &pebble.Options{
		Cache: cache, MemTableSize: 16 << 20, Logger: pebble.DefaultLogger, LoggerAndTracer: quietLogger{},
		FormatMajorVersion: pebble.FormatTableFormatV6,
	})
	if err != nil {
		b.Fatal(err)
	}
	l := &bareLog{queue: make(chan bareAppend, 4096)}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		l.run(db)
	}()
	b.Cleanup(func() {
		close(l.queue)
		<-stopped
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	return l
}

func (l *bareLog) append(events []eventstore.EventData) error {
	a := bareAppend{events: events, done: make(chan error, 1)}
	l.queue <- a
	return <-a.done
}

func (l *bareLog) run(db *pebble.DB) {
	var position uint64
	for first := range l.queue {
		group := []bareAppend{first}
		for len(group) < 1024 && len(l.queue) > 0 {
			group = append(group, <-l.queue)
		}
		batch := db.NewBatch()
		var err error
		for _, a := range group {
			for _, e := range a.events {
				position++
				record := slices.Concat(e.ID[:], []byte(e.Type), e.Data, e.Metadata)
				if err == nil {
					err = batch.Set(binary.BigEndian.AppendUint64(nil, position), record, nil)
				}
			}
		}
		if err == nil {
			err = batch.Commit(pebble.Sync)
		}
		for _, a := range group {
			a.done <- err
		}
	}
}

// BenchmarkAppendRatio alternates between the node and the bare log in short rounds, so that what else
// the machine does falls on both, and reports the median ratio of their rates in percent.
func BenchmarkAppendRatio(b *testing.B) {
	const roundTime = 200 * time.Millisecond
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			n, bare := open(b, node.Options{Dir: b.TempDir()}), openBareLog(b)
			ours := func(events []eventstore.EventData) error {
				_, err := n.Append(context.Background(), "order-"+uuid.NewString(), eventstore.NoStream, events...)
				return err
			}
			var ratios []float64
			for range b.N {
				ratios = append(ratios, 100*rate(b, callers, roundTime, ours)/rate(b, callers, roundTime, bare.append))
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "median-%")
			b.ReportMetric(ratios[len(ratios)/4], "quartile-%")
		})
	}
}

// rate runs callers in a closed loop for a while and returns appends per second.
func rate(b *testing.B, callers int, d time.Duration, appendEvents func([]eventstore.EventData) error) float64 {
	payload := benchAppend()
	var done atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range callers {
		wg.Go(func() {
			for time.Since(start) < d {
				if err := appendEvents(slices.Clone(payload)); err != nil {
					b.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(start).Seconds()
}
