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
// syncs. Of every twentieth it measures the time from the answer, which says that the notification is
// durable, until a GET of its order with at_least is answered from views that have it. The client shares
// the machine with the ledger. It does so three times: before, while the tables are rebuilt again and again, and after that, which
// shows whether the machine was the same all the time. Nothing is counted until the system writes to the disk what it was given
// half a minute before, as it always does later.
func BenchmarkFreshness(b *testing.B) {
	warm, seconds := 30, 20
	if testing.Short() {
		warm, seconds = 1, 1
	}
	for b.Loop() {
		l := harness.Serve(b, harness.Options{Private: true})
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * senders}}
		measure := func() *freshness { return &freshness{client: client, url: l.URL} }
		first, idle, during, after := measure(), measure(), measure(), measure()
		first.run(b, 0, warm)
		idle.run(b, first.sent, seconds)

		ctx, stop := context.WithCancel(b.Context())
		var rebuilding sync.WaitGroup
		rebuilds := 0
		rebuilding.Go(func() {
			for ; ctx.Err() == nil; rebuilds++ {
				l.Site.RunOK(b, "rebuild", "run")
				l.Site.RunOK(b, "rebuild", "drop")
			}
		})
		during.run(b, idle.sent, seconds)
		stop()
		rebuilding.Wait()
		after.run(b, during.sent, seconds)

		idle.report(b, "")
		during.report(b, "-rebuilding")
		after.report(b, "-after")
		b.ReportMetric(float64(rebuilds), "rebuilds")
		b.ReportMetric(during.visible(.99)/idle.visible(.99), "p99-to-idle")
	}
}

// Of so many notifications one is looked for: enough for twenty to be slower than the 99th percentile of a half.
const probed = 20

const perSecond, tick, senders = 2000, 5 * time.Millisecond, 64

// run sends for some seconds, after the notifications that were sent so far.
func (f *freshness) run(b *testing.B, sent, seconds int) {
	b.Helper()
	work := make(chan int, perSecond)
	var senderGroup, probeGroup sync.WaitGroup
	for range senders {
		senderGroup.Go(func() {
			for n := range work {
				position := f.send(b, n)
				if n%probed == 0 && position != "" {
					answered := time.Now()
					probeGroup.Go(func() { f.probe(b, n, position, answered) })
				}
			}
		})
	}
	began := time.Now()
	next, last := sent, sent+seconds*perSecond
	for ticker := time.NewTicker(tick); next < last; <-ticker.C {
		for due := sent + int(time.Since(began).Seconds()*perSecond); next < min(due, last); next++ {
			work <- next
		}
	}
	close(work)
	senderGroup.Wait()
	f.sent, f.took = last, time.Since(began)
	probeGroup.Wait()
}

type freshness struct {
	client *http.Client
	url    string
	sent   int // notifications so far
	took   time.Duration
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

func (f *freshness) report(b *testing.B, suffix string) {
	b.Helper()
	if n := f.failed.Load(); n > 0 || len(f.sights) == 0 {
		b.Fatalf("%d requests failed, %d were measured", n, len(f.sights))
	}
	b.ReportMetric(float64(len(f.intake))/f.took.Seconds(), "webhooks/s"+suffix)
	b.ReportMetric(quantile(f.intake, .5), "ms-answer-p50"+suffix)
	b.ReportMetric(quantile(f.intake, .99), "ms-answer-p99"+suffix)
	b.ReportMetric(f.visible(.5), "ms-visible-p50"+suffix)
	b.ReportMetric(f.visible(.99), "ms-visible-p99"+suffix)
}

// visible is a quantile of how long it took until a notification was visible, in ms.
func (f *freshness) visible(q float64) float64 { return quantile(f.sights, q) }

func quantile(all []time.Duration, q float64) float64 {
	slices.Sort(all)
	return float64(all[int(q*float64(len(all)-1))].Microseconds()) / 1000
}
