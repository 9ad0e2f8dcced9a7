package bench_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/test/harness"
)

// feedOrders is how many orders BenchmarkFeed makes at most: their events take 75 MB.
const feedOrders = 5_000

// BenchmarkFeed reads the whole feed of a running ledger as NDJSON over loopback, one consumer that
// counts lines. Beside it stand, in the same run, a bare HTTP server that copies the same bytes from
// memory, and a bare reading of the same log in process.
func BenchmarkFeed(b *testing.B) {
	orders := min(benchOrders(b), feedOrders)
	dir := b.TempDir()
	for b.Loop() {
		site := harness.NewSite(b, harness.Options{Private: true})
		site.RunOK(b, "simulate", "--orders", strconv.Itoa(orders), "--seed", "7", "--out", dir)
		for _, gateway := range []string{"decta", "everifin", "connectpay"} {
			site.RunOK(b, "ingest", "--gateway", gateway, filepath.Join(dir, gateway+".ndjson"))
		}
		l := site.Serve(b)
		l.WaitForViews(b)
		url := l.URL + "/events?format=ndjson"
		var body bytes.Buffer
		events, _ := readLines(b, url, "", &body)
		bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, bytes.NewReader(body.Bytes()))
		}))
		rates := map[string]float64{}
		for range 5 { // in turns: the machine is not equally busy all the time
			for _, m := range []struct{ name, url, encoding string }{
				{"events/s", url, ""}, {"bare-HTTP/s", bare.URL, ""}, {"gzip/s", url, "gzip"}, {"zstd/s", url, "zstd"},
				{"pages/s", "", ""},
			} {
				n, took := 0, time.Duration(0)
				if m.url == "" {
					n, took = readPages(b, l)
				} else {
					n, took = readLines(b, m.url, m.encoding, io.Discard)
				}
				if n != events {
					b.Fatalf("%s: %d events, want %d", m.name, n, events)
				}
				rates[m.name] = max(rates[m.name], float64(n)/took.Seconds())
			}
		}
		bare.Close()
		l.Terminate(b)
		for name, rate := range rates {
			b.ReportMetric(rate, name)
		}
		b.ReportMetric(float64(body.Len())/float64(events), "bytes/event")
		b.ReportMetric(100*rates["events/s"]/rates["bare-HTTP/s"], "%-of-bare-HTTP")
		b.ReportMetric(100*rates["events/s"]/bareRead(b, site), "%-of-bare-reading")
	}
}

// readLines reads an answer to its end and counts its lines. took is from the request to the end.
func readLines(b *testing.B, url, encoding string, keep io.Writer) (lines int, took time.Duration) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", encoding) // the client's own decoding is switched off
	began := time.Now()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // it is read to its end
	body := io.Reader(answer.Body)
	switch encoding {
	case "gzip":
		body, err = gzip.NewReader(body)
	case "zstd":
		body, err = zstd.NewReader(body)
	}
	if err != nil {
		b.Fatal(err)
	}
	buffer := make([]byte, 256<<10)
	for {
		n, err := body.Read(buffer)
		lines += bytes.Count(buffer[:n], []byte{'\n'})
		if _, writeErr := keep.Write(buffer[:n]); writeErr != nil {
			b.Fatal(writeErr)
		}
		if err == io.EOF {
			return lines, time.Since(began)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// readPages goes through the feed by pages of the largest size.
func readPages(b *testing.B, l *harness.Ledger) (events int, took time.Duration) {
	b.Helper()
	began := time.Now()
	for next := "/events?limit=10000"; ; {
		var page struct {
			Events []struct{ ID string }
			Next   string
			More   bool
		}
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, l.URL+next, nil) // the harness checks answers, which takes longer than the feed
		if err != nil {
			b.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			err = errors.Join(json.NewDecoder(answer.Body).Decode(&page), answer.Body.Close())
		}
		if err != nil {
			b.Fatal(err)
		}
		events += len(page.Events)
		if next = page.Next; !page.More {
			return events, time.Since(began)
		}
	}
}

// bareRead is how many events a second come out of the log in process, after the ledger has stopped.
func bareRead(b *testing.B, site *harness.Site) float64 {
	b.Helper()
	n, err := node.Open(node.Options{Dir: filepath.Join(site.Dir, "events")})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = n.Close() }() // it was only read
	best := 0.0
	for range 5 {
		began, events := time.Now(), 0
		for _, err := range n.ReadAll(context.WithoutCancel(b.Context()), eventstore.AllRead{}) {
			if err != nil {
				b.Fatal(err)
			}
			events++
		}
		best = max(best, float64(events)/time.Since(began).Seconds())
	}
	return best
}
