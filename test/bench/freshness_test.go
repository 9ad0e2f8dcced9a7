package bench_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/test/harness"
)

// BenchmarkFreshness sends 2,000 webhooks a second to a running ledger with a private PostgreSQL that
// syncs. Of every hundredth it measures the time from the answer, which says that the notification is
// durable, until a GET of its order with at_least is answered from views that have it. The client shares
// the machine with the ledger.
func BenchmarkFreshness(b *testing.B) {
	const perSecond, tick, senders = 2000, 5 * time.Millisecond, 64
	seconds := 20
	if testing.Short() {
		seconds = 1
	}
	for b.Loop() {
		l := harness.Serve(b, harness.Options{Private: true})
		f := &freshness{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * senders}}, url: l.URL}
		work := make(chan int, perSecond)
		var senderGroup, probeGroup sync.WaitGroup
		for range senders {
			senderGroup.Go(func() {
				for n := range work {
					position := f.send(b, n)
					if n%100 == 0 && position != "" {
						answered := time.Now()
						probeGroup.Go(func() { f.probe(b, n, position, answered) })
					}
				}
			})
		}
		began := time.Now()
		next := 0
		for ticker := time.NewTicker(tick); next < seconds*perSecond; <-ticker.C {
			for due := int(time.Since(began).Seconds() * perSecond); next < min(due, seconds*perSecond); next++ {
				work <- next
			}
		}
		close(work)
		senderGroup.Wait()
		took := time.Since(began)
		probeGroup.Wait()
		f.report(b, took)
	}
}

type freshness struct {
	client *http.Client
	url    string
	failed atomic.Int64

	mu             sync.Mutex
	intake, sights []time.Duration
}

// send sends notification n, which is one of four about its order, and returns where it stands in the log.
func (f *freshness) send(b *testing.B, n int) (position string) {
	order, status := n/4, []string{"issued", "viewed", "in_progress", "paid"}[n%4]
	body := fmt.Sprintf(`{"type":"order","id":"fresh-%d","number":"F-%d","currency":"EUR","total":12.50,"issued":1795132800,`+
		`"modified":%d,"is_test":false,"status":%q,"status_changes":[{"new_status":"issued","on":1795132800},{"new_status":%q,"on":%d}]}`,
		order, order, 1795132800+n%4, status, status, 1795132800+n%4)
	began := time.Now()
	position, err := f.do(b.Context(), http.MethodPost, "/webhooks/decta", body)
	if err != nil {
		f.failed.Add(1)
		return ""
	}
	f.mu.Lock()
	f.intake = append(f.intake, time.Since(began))
	f.mu.Unlock()
	return position
}

func (f *freshness) probe(b *testing.B, n int, position string, answered time.Time) {
	if _, err := f.do(b.Context(), http.MethodGet, fmt.Sprintf("/orders/fresh-%d?wait=5s&at_least=%s", n/4, position), ""); err != nil {
		f.failed.Add(1)
		return
	}
	f.mu.Lock()
	f.sights = append(f.sights, time.Since(answered))
	f.mu.Unlock()
}

// do asks and returns the position that the answer names.
func (f *freshness) do(ctx context.Context, method, path, body string) (position string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, f.url+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	answer, err := f.client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s %s: %s", method, path, answer.Status)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.Header.Get("Ledger-Position"), err
}

func (f *freshness) report(b *testing.B, took time.Duration) {
	if n := f.failed.Load(); n > 0 || len(f.sights) == 0 {
		b.Fatalf("%d requests failed, %d were measured", n, len(f.sights))
	}
	at := func(all []time.Duration, q float64) float64 {
		slices.Sort(all)
		return float64(all[int(q*float64(len(all)-1))].Microseconds()) / 1000
	}
	b.ReportMetric(float64(len(f.intake))/took.Seconds(), "webhooks/s")
	b.ReportMetric(at(f.intake, .5), "ms-answer-p50")
	b.ReportMetric(at(f.intake, .99), "ms-answer-p99")
	b.ReportMetric(at(f.sights, .5), "ms-visible-p50")
	b.ReportMetric(at(f.sights, .99), "ms-visible-p99")
}
