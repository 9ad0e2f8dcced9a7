package bench_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/test/harness"
)

// BenchmarkAPI issues 1,000 orders a second and reads the state of 1,000 a second at the same time, from a
// running ledger with a private PostgreSQL that syncs, with keys of personal data in each place. The clients share the
// machine with the ledger.
func BenchmarkAPI(b *testing.B) {
	for _, keys := range []string{"folder", "streams"} {
		b.Run("keys="+keys, func(b *testing.B) { benchmarkAPI(b, keys) })
	}
}

func benchmarkAPI(b *testing.B, keys string) {
	const perSecond, clients = 1000, 32
	seconds := 20
	if testing.Short() {
		seconds = 1
	}
	for b.Loop() {
		site := harness.NewSite(b, harness.Options{Private: true, Env: []string{"LEDGER_KEYS=" + keys}})
		token := strings.TrimSpace(site.RunOK(b, "token", "create", "bench").Stdout)
		l := site.Serve(b)
		shop := &shop{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4 * clients}}, url: l.URL, token: token}
		first, _, err := shop.issue(b.Context(), -1)
		if err != nil {
			b.Fatal(err)
		}
		shop.ids = append(shop.ids, first)
		l.WaitForViews(b)
		var issued, read []time.Duration
		var both sync.WaitGroup
		both.Go(func() {
			issued = atRate(perSecond, seconds, clients, func(n int) (time.Duration, error) {
				id, took, err := shop.issue(b.Context(), n)
				if err == nil && n%10 == 0 {
					shop.mu.Lock()
					shop.ids = append(shop.ids, id)
					shop.mu.Unlock()
				}
				return took, err
			}, &shop.failed)
		})
		both.Go(func() {
			read = atRate(perSecond, seconds, clients, func(int) (time.Duration, error) { return shop.read(b.Context()) }, &shop.failed)
		})
		both.Wait()
		if n := shop.failed.Load(); n > 0 || len(issued) == 0 || len(read) == 0 {
			b.Fatalf("%d requests failed", n)
		}
		b.ReportMetric(float64(len(issued))/float64(seconds), "orders/s")
		b.ReportMetric(float64(len(read))/float64(seconds), "reads/s")
		b.ReportMetric(quantile(issued, .5), "ms-order-p50")
		b.ReportMetric(quantile(issued, .99), "ms-order-p99")
		b.ReportMetric(quantile(read, .5), "ms-read-p50")
		b.ReportMetric(quantile(read, .99), "ms-read-p99")
	}
}

type shop struct {
	client     *http.Client
	url, token string
	failed     atomic.Int64

	mu  sync.Mutex
	ids []string
}

// atRate calls so often a second from so many clients, and tells how long each call took.
func atRate(perSecond, seconds, clients int, call func(n int) (time.Duration, error), failed *atomic.Int64) []time.Duration {
	work := make(chan int, perSecond)
	var mu sync.Mutex
	var all []time.Duration
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for n := range work {
				took, err := call(n)
				if err != nil {
					failed.Add(1)
					continue
				}
				mu.Lock()
				all = append(all, took)
				mu.Unlock()
			}
		})
	}
	began := time.Now()
	next := 0
	for ticker := time.NewTicker(tick); next < seconds*perSecond; <-ticker.C {
		for due := int(time.Since(began).Seconds() * float64(perSecond)); next < min(due, seconds*perSecond); next++ {
			work <- next
		}
	}
	close(work)
	group.Wait()
	return all
}

func (s *shop) issue(ctx context.Context, n int) (id string, took time.Duration, err error) {
	body := fmt.Sprintf(`{"number":"B-%d","client":{"email":"kim@shop.example"},"products":[{"title":"Kettle","price":"49.90","quantity":2}]}`, n)
	began := time.Now()
	text, err := s.do(ctx, http.MethodPost, "/orders/", body, http.StatusCreated, fmt.Sprintf("key-%d", n))
	took = time.Since(began)
	var answer struct {
		ID string `json:"id"`
	}
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	return answer.ID, took, err
}

func (s *shop) read(ctx context.Context) (time.Duration, error) {
	s.mu.Lock()
	id := s.ids[rand.IntN(max(1, len(s.ids)-100))] // not the newest, which the views may not have yet
	s.mu.Unlock()
	began := time.Now()
	_, err := s.do(ctx, http.MethodGet, "/orders/"+id, "", http.StatusOK, "")
	return time.Since(began), err
}

func (s *shop) do(ctx context.Context, method, path, body string, want int, key string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != want {
		err = fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	}
	return text, err
}
