package bench_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/test/harness"
)

const (
	streamConsumers  = 50
	streamPerSecond  = 1_000 // events
	streamWarmUp     = 2 * time.Second
	streamTick       = 5 * time.Millisecond
	recordedAtMember = `"recordedat":"`
)

// BenchmarkStream has 50 consumers of GET /events/stream follow a running ledger while webhooks make
// 1,000 events a second. Of every event at every consumer it measures the time since the ledger decided
// it (recordedat): appending, syncing, fanning out and reading. Clients and ledger share the machine.
// Beside it, in the same run, a bare HTTP server gives the same number of frames of the same size, made
// at the same rate, to as many consumers.
func BenchmarkStream(b *testing.B) {
	seconds := 20
	if testing.Short() {
		seconds = 1
	}
	for b.Loop() {
		l := harness.Serve(b, harness.Options{Private: true})
		perWebhook := eventsPerWebhook(b, l)
		live := listen(b, l.URL+"/events/stream?after="+endOfFeed(b, l))
		sent := sendAtRate(b, l, float64(streamPerSecond)/perWebhook, streamWarmUp+time.Duration(seconds)*time.Second)
		live.stop()
		delays, frame := live.delays(b, time.Now().Add(-time.Duration(seconds)*time.Second))
		b.ReportMetric(sent*perWebhook, "events/s")
		b.ReportMetric(float64(len(delays))/float64(seconds), "deliveries/s")
		reportDelays(b, delays, "ms")
		l.Terminate(b)

		server := httptest.NewServer(bareStream(frame))
		bare := listen(b, server.URL)
		wait(b, streamWarmUp+time.Duration(min(seconds, 5))*time.Second)
		bare.stop()
		delays, _ = bare.delays(b, time.Now().Add(-time.Duration(min(seconds, 5))*time.Second))
		server.Close()
		reportDelays(b, delays, "ms-bare")
	}
}

func reportDelays(b *testing.B, delays []time.Duration, unit string) {
	b.Helper()
	if len(delays) == 0 {
		b.Fatal("nothing was delivered")
	}
	slices.Sort(delays)
	at := func(q float64) float64 { return float64(delays[int(q*float64(len(delays)-1))].Microseconds()) / 1000 }
	b.ReportMetric(at(.5), unit+"-p50")
	b.ReportMetric(at(.99), unit+"-p99")
	b.ReportMetric(at(1), unit+"-max")
}

// wait lets a rate be kept for a while.
func wait(b *testing.B, d time.Duration) {
	b.Helper()
	select {
	case <-time.After(d):
	case <-b.Context().Done():
	}
}

func endOfFeed(b *testing.B, l *harness.Ledger) string {
	b.Helper()
	var page struct{ Cursor string }
	l.Get(b, "/events?limit=10000").JSON(b, &page)
	return page.Cursor
}

// eventsPerWebhook sends four webhooks about one order, as all others are, and counts.
func eventsPerWebhook(b *testing.B, l *harness.Ledger) float64 {
	b.Helper()
	f := &freshness{client: http.DefaultClient, url: l.URL}
	for n := range 4 {
		f.send(b, n)
	}
	var page struct{ Events []struct{ ID string } }
	l.Get(b, "/events?gateway=decta").JSON(b, &page)
	if f.failed.Load() > 0 || len(page.Events) == 0 {
		b.Fatal("no webhook was taken in")
	}
	return float64(len(page.Events)) / 4
}

// sendAtRate sends webhooks for a while, on time however long the answers take, and returns how many
// there were a second.
func sendAtRate(b *testing.B, l *harness.Ledger, perSecond float64, d time.Duration) float64 {
	b.Helper()
	f := &freshness{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, url: l.URL}
	const first = 4
	total := int(perSecond * d.Seconds())
	work := make(chan int, total)
	var senders sync.WaitGroup
	for range 32 {
		senders.Go(func() {
			for n := range work {
				f.send(b, n)
			}
		})
	}
	began, next := time.Now(), 0
	ticker := time.NewTicker(streamTick)
	defer ticker.Stop()
	for ; next < total; <-ticker.C {
		for due := int(time.Since(began).Seconds() * perSecond); next < min(due, total); next++ {
			work <- first + next
		}
	}
	close(work)
	senders.Wait()
	if n := f.failed.Load(); n > 0 {
		b.Fatalf("%d webhooks failed", n)
	}
	return float64(total) / time.Since(began).Seconds()
}

// listeners follow streams of server-sent events.
type listeners struct {
	cancel context.CancelFunc
	group  sync.WaitGroup
	failed atomic.Int64

	mu    sync.Mutex
	seen  [][]sighting // of each
	frame []byte       // one of those that came
}

type sighting struct{ at, recorded time.Time }

// listen opens the streams and returns when all are open.
func listen(b *testing.B, url string) *listeners {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	l := &listeners{cancel: cancel}
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 0, DisableCompression: true}}
	for range streamConsumers {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			b.Fatal(err)
		}
		answer, err := client.Do(r)
		if err != nil || answer.StatusCode != http.StatusOK {
			b.Fatalf("open a stream: %v %v", answer, err)
		}
		l.group.Go(func() {
			defer func() { _ = answer.Body.Close() }() // it ends with ctx
			l.read(bufio.NewReaderSize(answer.Body, 64<<10))
		})
	}
	return l
}

// read notes when each event comes until the stream ends.
func (l *listeners) read(r *bufio.Reader) {
	var seen []sighting
	var frame []byte
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			break
		}
		_, rest, found := bytes.Cut(line, []byte(recordedAtMember))
		if !found {
			continue
		}
		text, _, _ := bytes.Cut(rest, []byte{'"'})
		recorded, err := time.Parse(time.RFC3339Nano, string(text))
		if err != nil {
			l.failed.Add(1)
			break
		}
		seen = append(seen, sighting{time.Now(), recorded})
		if frame == nil {
			frame = bytes.Clone(line)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen, l.frame = append(l.seen, seen), frame
}

func (l *listeners) stop() {
	l.cancel()
	l.group.Wait()
}

// delays are those of all events that were recorded after a moment. Every listener must have seen as
// many as the others, but for those under way when they stopped.
func (l *listeners) delays(b *testing.B, since time.Time) (delays []time.Duration, frame []byte) {
	b.Helper()
	least, most := -1, 0
	for _, seen := range l.seen {
		n := 0
		for _, s := range seen {
			if s.recorded.After(since) {
				delays = append(delays, s.at.Sub(s.recorded))
				n++
			}
		}
		if most = max(most, n); least < 0 || n < least {
			least = n
		}
	}
	if l.failed.Load() > 0 || most-least > streamPerSecond {
		b.Fatalf("consumers saw %d to %d events", least, most)
	}
	return delays, l.frame
}

// bareStream gives frames like one to everybody at the rate of the benchmark.
func bareStream(line []byte) http.HandlerFunc {
	before, rest, _ := strings.Cut(string(line), recordedAtMember)
	_, after, _ := strings.Cut(rest, `"`)
	return func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.Flush() // the client waits for the header
		began, next := time.Now(), 0
		ticker := time.NewTicker(streamTick)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-r.Context().Done():
				return
			}
			for due := int(time.Since(began).Seconds() * streamPerSecond); next < due; next++ {
				_, _ = fmt.Fprintf(w, "%s%s%s\"%s\n", before, recordedAtMember, time.Now().UTC().Format(time.RFC3339Nano), after)
			}
			if control.Flush() != nil {
				return
			}
		}
	}
}
