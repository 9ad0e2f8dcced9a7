//go:build unix

package protocol_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
)

// benchmarkBody is the payload of the benchmarks: 512 bytes, an order's event.
const benchmarkBody = 512

// nothing is the yardstick: a server on the same stubs that stores nothing and
// answers from memory, as fast as the library allows.
type nothing struct {
	streams.UnimplementedStreamsServer
	position atomic.Uint64
	events   []*streams.ReadResp
	disk     *onlySyncs // nil: not durable
}

func (n *nothing) Append(call streams.Streams_AppendServer) error {
	size := 0
	for {
		m, err := call.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		size += len(m.GetProposedMessage().GetData())
	}
	if n.disk != nil {
		if err := n.disk.write(size); err != nil {
			return err
		}
	}
	p := n.position.Add(1)
	return call.SendAndClose(&streams.AppendResp{Result: &streams.AppendResp_Success_{Success: &streams.AppendResp_Success{
		CurrentRevisionOption: &streams.AppendResp_Success_CurrentRevision{CurrentRevision: p},
		PositionOption:        &streams.AppendResp_Success_Position{Position: &streams.AppendResp_Position{CommitPosition: p, PreparePosition: p}},
	}}})
}

func (n *nothing) Read(_ *streams.ReadReq, call streams.Streams_ReadServer) error {
	for _, e := range n.events {
		if err := call.Send(e); err != nil {
			return err
		}
	}
	return nil
}

func benchmarkClient(b *testing.B, address string) *esdb.Client {
	b.Helper()
	config, err := esdb.ParseConnectionString("esdb://" + address + "?tls=false")
	if err != nil {
		b.Fatal(err)
	}
	config.Logger = esdb.NoopLogging()
	client, err := esdb.NewClient(config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Close() })
	return client
}

func newNothing(events int) *nothing {
	n := new(nothing)
	for i := range events {
		id := &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{MostSignificantBits: 1, LeastSignificantBits: int64(i)}}}
		n.events = append(n.events, &streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
			Event: &streams.ReadResp_ReadEvent_RecordedEvent{
				Id: id, StreamIdentifier: &shared.StreamIdentifier{StreamName: fmt.Appendf(nil, "order-%d", i%100)}, StreamRevision: uint64(i / 100),
				CommitPosition: uint64(i), PreparePosition: uint64(i), Data: make([]byte, benchmarkBody), CustomMetadata: []byte(`{}`),
				Metadata: map[string]string{"type": "Benchmarked", "content-type": "application/json", "created": "17000000000000000"},
			},
			Position: &streams.ReadResp_ReadEvent_CommitPosition{CommitPosition: uint64(i)},
		}}})
	}
	return n
}

// share runs n pieces of work by a number of callers and returns the time of
// the whole.
func share(callers, n int, work func(caller int)) time.Duration {
	var left atomic.Int64
	left.Store(int64(n))
	start := time.Now()
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				work(c)
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

// servers are the node, on disk with every append synced, and its two yardsticks, in the order in which turns are taken. Each is a
// process of its own: clients of a ledger are.
type servers [3]child

func startServers(b *testing.B) servers {
	b.Helper()
	return servers{startChild(b, nodeChild, 0), startChild(b, nothingChild, 0), startChild(b, syncingChild, 0)}
}

// BenchmarkAppend compares appends by the official client, in turns: to the node, durable; to a server that
// does nothing; and to one that does nothing but sync, which is what durability leaves to be reached.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256, 1024} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			benchmarkAppends(b, callers, 1, 200+40*callers)
		})
	}
}

// BenchmarkAppendMany is BenchmarkAppend with many events in each append, as who copies or imports does it.
func BenchmarkAppendMany(b *testing.B) {
	for _, callers := range []int{16, 64} {
		for _, events := range []int{10, 100, 500} {
			b.Run(fmt.Sprintf("callers=%d/events=%d", callers, events), func(b *testing.B) {
				benchmarkAppends(b, callers, events, max(callers, 10*callers*10/events))
			})
		}
	}
}

func benchmarkAppends(b *testing.B, callers, events, perTurn int) {
	b.Helper()
	children := startServers(b)
	var clients [len(servers{})]*esdb.Client
	for i := range clients {
		clients[i] = benchmarkClient(b, children[i].address)
	}
	compare(b, children, "appends/s", perTurn, func(server int) (time.Duration, []time.Duration) {
		return appendRound(b, clients[server], callers, events, perTurn)
	})
}

// compare takes turns of work to each of the servers and reports what became of it: of the whole, the median of the
// turns, and what the processors had to do for it, client included, which other work on the machine changes least.
func compare(b *testing.B, children servers, unit string, perTurn int, turn func(server int) (took time.Duration, each []time.Duration)) {
	b.Helper()
	var took, used [len(servers{})]time.Duration
	var latencies [len(servers{})][]time.Duration
	var shares []float64
	done := 0
	for i := range children {
		used[i] = -children[i].cpuTime()
	}
	for b.Loop() {
		var turned [len(servers{})]time.Duration
		for i := range took {
			before := cpuTime()
			var each []time.Duration
			turned[i], each = turn(i)
			used[i] += cpuTime() - before
			took[i] += turned[i]
			latencies[i] = append(latencies[i], each...)
		}
		shares = append(shares, 100*turned[1].Seconds()/turned[0].Seconds())
		done += perTurn
	}
	report(b, unit, done, [2]time.Duration(took[:2]))
	slices.Sort(shares)
	b.ReportMetric(shares[len(shares)/2], "median-%of-nothing")
	b.ReportMetric(100*took[2].Seconds()/took[0].Seconds(), "%of-only-syncing")
	for i, who := range []string{"", "nothing-", "only-syncing-"} {
		used[i] += children[i].cpuTime()
		reportLatencies(b, who, latencies[i])
		b.ReportMetric(float64(used[i].Nanoseconds())/1e3/float64(done), who+"cpu-µs")
	}
}

// cpuTime is what the processors have done for this process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpuTime is what the processors have done for it, as far as the system tells, in hundredths of a second.
func (c child) cpuTime() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.pid))
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	fields := strings.Fields(string(rest))
	const user, system = 11, 12
	var ticks int64
	for _, f := range fields[user : system+1] {
		n, _ := strconv.ParseInt(f, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func reportLatencies(b *testing.B, who string, latencies []time.Duration) {
	b.Helper()
	slices.Sort(latencies)
	b.ReportMetric(float64(latencies[len(latencies)/2].Microseconds()), who+"p50-µs")
	b.ReportMetric(float64(latencies[len(latencies)*99/100].Microseconds()), who+"p99-µs")
}

// appendRound makes n appends by a number of callers, each to a stream of its own, and returns the
// time of the whole and of each.
func appendRound(b *testing.B, client *esdb.Client, callers, events, n int) (took time.Duration, each []time.Duration) {
	b.Helper()
	latencies := make([][]time.Duration, callers)
	took = share(callers, n, func(caller int) {
		latencies[caller] = append(latencies[caller], appendEvents(b, client, fmt.Sprintf("order-%d", caller), events))
	})
	return took, slices.Concat(latencies...)
}

// appendEvents makes one append and returns the time that it took.
func appendEvents(b *testing.B, client *esdb.Client, stream string, events int) time.Duration {
	b.Helper()
	batch := make([]esdb.EventData, events)
	for i := range batch {
		batch[i] = esdb.EventData{
			EventID: uuid.New(), EventType: "Benchmarked", ContentType: esdb.ContentTypeJson,
			Data: make([]byte, benchmarkBody), Metadata: []byte(`{}`),
		}
	}
	start := time.Now()
	if _, err := client.AppendToStream(b.Context(), stream, esdb.AppendToStreamOptions{}, batch...); err != nil {
		b.Error(err)
	}
	return time.Since(start)
}

// report gives both rates and the share of the yardstick that the node reaches.
func report(b *testing.B, unit string, n int, took [2]time.Duration) {
	b.Helper()
	b.ReportMetric(float64(n)/took[0].Seconds(), unit)
	b.ReportMetric(float64(n)/took[1].Seconds(), "nothing-"+unit)
	b.ReportMetric(100*took[1].Seconds()/took[0].Seconds(), "%of-nothing")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkReadAll compares reading the whole log by the official client.
func BenchmarkReadAll(b *testing.B) {
	const events = 20_000
	clients := [2]*esdb.Client{
		benchmarkClient(b, startChild(b, nodeChild, 0).address), benchmarkClient(b, startChild(b, nothingChild, events).address),
	}
	for first := 0; first < events; first += 100 {
		appendEvents(b, clients[0], fmt.Sprintf("order-%d", first/100%100), 100)
	}
	var took [2]time.Duration
	var latencies [2][]time.Duration
	total := 0
	for b.Loop() {
		for i, client := range clients {
			start := time.Now()
			if got := readEverything(b, client); got != events {
				b.Fatalf("%d events, want %d", got, events)
			}
			latencies[i] = append(latencies[i], time.Since(start))
			took[i] += latencies[i][len(latencies[i])-1]
		}
		total += events
	}
	report(b, "events/s", total, took)
	reportLatencies(b, "", latencies[0])
	reportLatencies(b, "nothing-", latencies[1])
}

// BenchmarkReadStream compares reading short streams one after the other, as a writer does that loads what
// it decides about.
func BenchmarkReadStream(b *testing.B) {
	const streams, events, reads = 200, 10, 500
	clients := [2]*esdb.Client{
		benchmarkClient(b, startChild(b, nodeChild, 0).address), benchmarkClient(b, startChild(b, nothingChild, events).address),
	}
	for stream := range streams {
		appendEvents(b, clients[0], fmt.Sprintf("order-%d", stream), events)
	}
	var took [2]time.Duration
	var latencies [2][]time.Duration
	total := 0
	for b.Loop() {
		for i, client := range clients {
			for r := range reads {
				start := time.Now()
				read, err := client.ReadStream(b.Context(), fmt.Sprintf("order-%d", r%streams), esdb.ReadStreamOptions{}, math.MaxInt64)
				if err != nil {
					b.Fatal(err)
				}
				if got := readToEnd(b, read); got != events {
					b.Fatalf("%d events, want %d", got, events)
				}
				latency := time.Since(start)
				took[i] += latency
				latencies[i] = append(latencies[i], latency)
			}
		}
		total += reads
	}
	report(b, "reads/s", total, took)
	reportLatencies(b, "", latencies[0])
	reportLatencies(b, "nothing-", latencies[1])
}

func readEverything(b *testing.B, client *esdb.Client) (n int) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	read, err := client.ReadAll(ctx, esdb.ReadAllOptions{From: esdb.Start{}}, math.MaxInt64)
	if err != nil {
		b.Fatal(err)
	}
	return readToEnd(b, read)
}

func readToEnd(b *testing.B, read *esdb.ReadStream) (n int) {
	b.Helper()
	defer read.Close()
	for {
		if _, err := read.Recv(); errors.Is(err, io.EOF) {
			return n
		} else if err != nil {
			b.Fatal(err)
		}
		n++
	}
}
