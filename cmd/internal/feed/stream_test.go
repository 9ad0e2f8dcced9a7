package feed_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/order-ledger/order-ledger/cmd/internal/feed"
	"github.com/order-ledger/order-ledger/domain/order"
)

// take reads n events.
func (f *frames) take(tb testing.TB, n int) []event {
	tb.Helper()
	out := make([]event, n)
	for i := range out {
		var got frame
		out[i], got = f.event(tb)
		if got.id != out[i].Cursor {
			tb.Fatalf("id %q differs from the cursor %q", got.id, out[i].Cursor)
		}
	}
	return out
}

// TestStream_WithoutGap follows with several filters while events are appended, with a tail so short
// that followers fall behind it: each sees its events once, in order.
func TestStream_WithoutGap(t *testing.T) {
	t.Parallel()
	for _, tailEvents := range []int{1, 3, 1000} {
		t.Run(fmt.Sprintf("tail of %d", tailEvents), func(t *testing.T) {
			t.Parallel()
			s := open(t, func(c *feed.Config) { c.TailEvents = tailEvents })
			s.some(t, 25)
			id := newID()
			var clients sync.WaitGroup
			seen := map[string][]string{"": nil, "?test=true": nil, "?gateway=decta": nil, "?type=OrderViewed": nil, "?order=" + id: nil}
			var mu sync.Mutex
			for filter := range seen {
				for range 3 {
					f := s.stream(t, "/events/stream"+filter)
					clients.Go(func() {
						var got []string
						for {
							e, _ := f.event(t)
							got = append(got, e.String())
							if e.Type == "OrderViewed" { // the last one
								break
							}
						}
						mu.Lock()
						defer mu.Unlock()
						if seen[filter] != nil && !cmp.Equal(seen[filter], got) {
							t.Errorf("%q: two clients saw different events", filter)
						}
						seen[filter] = got
					})
				}
			}
			for range 20 {
				s.some(t, 25)
				s.append(t, "order-"+id, "decta", order.OrderIssued{})
			}
			s.append(t, "order-"+id, "decta", order.OrderViewed{})
			clients.Wait()
			for filter, got := range seen {
				if diff := cmp.Diff(names(s.lines(t, "/events"+filter)), got); diff != "" {
					t.Errorf("%q (-log +stream):\n%s", filter, diff)
				}
			}
		})
	}
}

// TestStream_Resumes connects again with the id of each event.
func TestStream_Resumes(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	want := s.some(t, 30)
	all := s.stream(t, "/events/stream").take(t, len(want))
	for i, e := range all[:len(all)-1] {
		// The URL of a client that started in the middle stays the same; its header is newer.
		got := s.stream(t, "/events/stream?after="+all[0].Cursor, "Last-Event-ID", e.Cursor).take(t, len(all)-i-1)
		if diff := cmp.Diff(names(all[i+1:]), names(got)); diff != "" {
			t.Fatalf("after event %d (-want +got):\n%s", i, diff)
		}
	}
}

// TestStream_Heartbeat tells a client that waits in vain where it stands.
func TestStream_Heartbeat(t *testing.T) {
	t.Parallel()
	s := open(t, func(c *feed.Config) { c.Heartbeat = time.Millisecond })
	s.some(t, 30)
	f := s.stream(t, "/events/stream?type=OrderViewed")
	var beat frame
	for beat.comment == "" || beat.id == "" {
		var err error
		if beat, err = f.next(); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.lines(t, "/events?after="+beat.id); len(got) != 0 {
		t.Errorf("the heartbeat's id stands before %v", got)
	}
	s.append(t, "order-"+newID(), "decta", order.OrderViewed{})
	if e, _ := f.event(t); e.Type != "OrderViewed" {
		t.Errorf("got %v", e)
	}
}

func TestStream_Compressed(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	want := s.some(t, 10)
	plain := &http.Client{} // asks for gzip and unpacks it by itself
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/events/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := plain.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if !answer.Uncompressed {
		t.Error("the answer was not compressed")
	}
	f := newFrames(answer.Body)
	f.take(t, len(want))
	more := s.some(t, 1)
	if got := names(f.take(t, 1)); !cmp.Equal(more, got) {
		t.Errorf("live: got %v, want %v", got, more)
	}
}

// TestStream_NeverReading opens connections that take nothing: they are disconnected, others get
// everything meanwhile, and memory stays bounded.
func TestStream_NeverReading(t *testing.T) {
	const stuck = 20
	s := open(t, func(c *feed.Config) { c.WriteTimeout = 2 * time.Second })
	detail := strings.Repeat("x", 8_000)
	id := newID()
	const events = 1_000
	for range events { // more than the buffers of a connection hold
		s.append(t, "order-"+id, "decta", order.AnomalyFlagged{Code: order.FlagAmountAssumed, Detail: detail})
	}
	before := heapBytes()
	for _, path := range []string{"/events/stream", "/events?format=ndjson"} {
		for range stuck / 2 {
			neverRead(t, s.url, path)
		}
	}
	if got := len(s.stream(t, "/events/stream").take(t, events)); got != events {
		t.Errorf("%d events", got)
	}
	if grown := heapBytes() - before; grown > stuck*1<<20 {
		t.Errorf("%d clients that read nothing hold %d bytes", stuck, grown)
	}
	eventually(t, "all are disconnected", func() bool { return counted(t, s, "ledger_feed_ended_total", "slow") == stuck })
}

func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// neverRead opens a connection that asks and takes nothing of the answer.
func neverRead(tb testing.TB, url, path string) {
	tb.Helper()
	var d net.Dialer
	conn, err := d.DialContext(tb.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		tb.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: ledger\r\n\r\n", path); err != nil {
		tb.Fatal(err)
	}
}

// TestLimits answers a flood of clients with what to do, and serves again once some have gone.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := open(t, func(c *feed.Config) {
		c.Followers, c.FollowersPerClient = 3, 2
		c.Client = func(r *http.Request) string { return r.Header.Get("User-Agent") }
	})
	s.stream(t, "/events/stream", "User-Agent", "a")
	closing := s.get(t, "/events/stream", "User-Agent", "a")
	s.mustRefuse(t, http.StatusTooManyRequests, "too_many_streams", "/events/stream", "User-Agent", "a")
	s.mustRefuse(t, http.StatusTooManyRequests, "too_many_streams", "/events?wait=1s", "User-Agent", "a")
	s.stream(t, "/events/stream", "User-Agent", "b")
	s.mustRefuse(t, http.StatusServiceUnavailable, "feed_busy", "/events/stream", "User-Agent", "c")
	if answer := s.get(t, "/events/stream", "User-Agent", "c"); answer.Header.Get("Retry-After") == "" {
		t.Error("it does not say when to come again")
	}
	s.page(t, "/events") // pages are answered all the same
	if err := closing.Body.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the place is free", func() bool {
		answer := s.get(t, "/events/stream", "User-Agent", "c")
		return answer.StatusCode == http.StatusOK
	})
}

// TestStream_Stopping tells clients that the ledger ends, so that they connect again.
func TestStream_Stopping(t *testing.T) {
	t.Parallel()
	stopping := make(chan struct{})
	s := open(t, func(c *feed.Config) { c.Stopping = stopping })
	want := s.some(t, 10)
	f := s.stream(t, "/events/stream")
	f.take(t, len(want))
	polled := make(chan page, 1)
	end := s.page(t, "/events").Cursor
	go func() { defer close(polled); polled <- s.page(t, "/events?wait=60s&after="+end) }()
	eventually(t, "the poll waits", func() bool { return counted(t, s, "ledger_feed_followers", "") == 2 })
	close(stopping)
	if got, err := f.next(); err != nil || got.name != "end" {
		t.Errorf("got %+v, %v", got, err)
	}
	if p := <-polled; len(p.Events) != 0 || p.Cursor != end {
		t.Errorf("the long poll answered %+v", p)
	}
}

// TestStream_Revoked ends streams and long answers of who may not read any more.
func TestStream_Revoked(t *testing.T) {
	t.Parallel()
	var revoked atomic.Bool
	s := open(t, func(c *feed.Config) {
		c.Heartbeat = time.Millisecond
		c.Allowed = func(r *http.Request) bool { return r.Header.Get("User-Agent") != "a" || !revoked.Load() }
	})
	want := s.some(t, 10)
	a, b := s.stream(t, "/events/stream", "User-Agent", "a"), s.stream(t, "/events/stream", "User-Agent", "b")
	a.take(t, len(want))
	b.take(t, len(want))
	revoked.Store(true)
	for {
		got, err := a.next()
		if err != nil {
			t.Fatalf("the stream ended without a word: %v", err)
		}
		if got.name == "end" {
			break
		}
	}
	if got, err := b.next(); err != nil || got.name == "end" {
		t.Errorf("another client: %+v, %v", got, err)
	}
	s.some(t, 2_000) // takes longer to read than a heartbeat
	eventually(t, "a long answer is cut off", func() bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/events?format=ndjson", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("User-Agent", "a")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return true // before its first byte
		}
		defer func() { _ = answer.Body.Close() }() // whatever is left of it
		_, err = io.Copy(io.Discard, answer.Body)
		return err != nil
	})
}

// TestStream_LogEnds ends streams when the log is closed, and the feed serves no more.
func TestStream_LogEnds(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	want := s.some(t, 10)
	f := s.stream(t, "/events/stream")
	f.take(t, len(want))
	if err := s.log.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := f.next(); err == nil {
		t.Errorf("got %+v", got)
	}
	s.mustRefuse(t, http.StatusServiceUnavailable, "log_unavailable", "/events/stream")
	s.mustRefuse(t, http.StatusServiceUnavailable, "log_unavailable", "/events")
}

// counted reads one of the feed's metrics; reason is its label.
func counted(tb testing.TB, s *site, name, reason string) int {
	tb.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.feed.Collector())
	families, err := registry.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			if reason == "" || m.GetLabel()[0].GetValue() == reason {
				return int(m.GetCounter().GetValue() + m.GetGauge().GetValue())
			}
		}
	}
	return 0
}

// eventually asks until the answer is yes; the deadline is only against hanging for ever.
func eventually(tb testing.TB, what string, yes func() bool) {
	tb.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !yes() {
		select {
		case <-tick.C:
		case <-deadline:
			tb.Fatalf("not within a minute: %s", what)
		}
	}
}
