//go:build unix

package node_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

const benchLogEvents = 200_000

// BenchmarkReadAll reads a whole log in order, through the port and, as the limit, with a bare Pebble
// iterator over the same files that looks at nothing but the bytes.
func BenchmarkReadAll(b *testing.B) {
	for _, c := range []struct {
		name            string
		perAppend, size int
	}{
		{"small=100B/perAppend=1", 1, 100},
		{"small=100B/perAppend=3", 3, 100},
		{"event=500B/perAppend=3", 3, 500},
	} {
		b.Run(c.name, func(b *testing.B) {
			dir := b.TempDir()
			events := fillLog(b, dir, c.perAppend, c.size)
			b.Run("node", func(b *testing.B) {
				n := open(b, node.Options{Dir: dir})
				b.ReportAllocs()
				seen, start := 0, time.Now()
				for b.Loop() {
					for _, err := range n.ReadAll(context.Background(), eventstore.AllRead{}) {
						if err != nil {
							b.Fatal(err)
						}
						seen++
					}
				}
				if seen%events != 0 {
					b.Fatalf("%d events read, log holds %d", seen, events)
				}
				b.ReportMetric(float64(seen)/time.Since(start).Seconds(), "events/s")
			})
			b.Run("bare", func(b *testing.B) {
				db, err := pebble.Open(dir, &pebble.Options{ReadOnly: true, LoggerAndTracer: quietLogger{}})
				if err != nil {
					b.Fatal(err)
				}
				frames, start := 0, time.Now()
				for b.Loop() {
					frames += scanBare(b, db)
				}
				b.ReportMetric(float64(frames*c.perAppend)/time.Since(start).Seconds(), "events/s")
				if err := db.Close(); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

func scanBare(b *testing.B, db *pebble.DB) (frames int) {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte("e"), UpperBound: []byte("f")})
	if err != nil {
		b.Fatal(err)
	}
	size := 0
	for ok := it.First(); ok; ok = it.Next() {
		size += len(it.Value())
		frames++
	}
	if err := it.Close(); err != nil || size == 0 {
		b.Fatal(err)
	}
	return frames
}

// fillLog writes the log of a read benchmark and returns the number of its events.
func fillLog(b *testing.B, dir string, perAppend, size int) int {
	n, err := node.Open(node.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	const callers = 128
	body := filler(size)
	var next atomic.Uint64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for {
				i := next.Add(1)
				if i*uint64(perAppend) > benchLogEvents {
					return
				}
				events := make([]eventstore.EventData, perAppend)
				for k := range events {
					events[k] = eventstore.EventData{ID: uuid.New(), Type: "order.payment.captured", JSON: true, Data: body}
					binary.LittleEndian.PutUint64(events[k].ID[:], i)
				}
				if _, err := n.Append(context.Background(), fmt.Sprintf("order-%d", i), eventstore.NoStream, events...); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := n.Close(); err != nil {
		b.Fatal(err)
	}
	return benchLogEvents / perAppend * perAppend
}

// BenchmarkReadStream reads short streams by name, as a use case does before it decides.
func BenchmarkReadStream(b *testing.B) {
	dir := b.TempDir()
	events := fillLog(b, dir, 3, 500)
	n := open(b, node.Options{Dir: dir})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i = (i + 7919) % (events / 3)
		seen := 0
		for _, err := range n.ReadStream(context.Background(), fmt.Sprintf("order-%d", i+1), eventstore.StreamRead{}) {
			if err != nil {
				b.Fatal(err)
			}
			seen++
		}
		if seen != 3 {
			b.Fatalf("%d events", seen)
		}
	}
}
