package push_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/cmd/internal/push"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/migrations"
	"github.com/order-ledger/order-ledger/projections/localpg"
)

// Sizes of the benchmark. What is planned and claimed at once is what the package does.
const (
	benchOrders, benchConcurrency = 2_000, 32
	benchPlanned, benchClaimed    = 500, 4 * benchConcurrency
)

// durableDatabase is a PostgreSQL that syncs what it acknowledges, unlike those of tests.
func durableDatabase(b *testing.B) *pgxpool.Pool {
	b.Helper()
	dir, err := os.MkdirTemp("", "ledger-bench-push-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	server, err := localpg.Start(b.Context(), localpg.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = server.Stop(context.WithoutCancel(b.Context())) })
	conn, err := pgx.Connect(b.Context(), server.URL())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := migrations.Apply(b.Context(), conn, migrations.Options{}); err != nil {
		b.Fatal(err)
	}
	if err := conn.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	pool, err := pgxpool.New(b.Context(), server.URL())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	return pool
}

// BenchmarkDeliver plans and delivers 6,000 events to a receiver on this machine, 32 requests under way, beside
// what cannot be left out of that: as many bare POST requests of the same body, and as many rows written and
// deleted in transactions of the same sizes. All is synced. The parts are measured in turns in the same run.
func BenchmarkDeliver(b *testing.B) {
	var got atomic.Int64
	var body atomic.Pointer[[]byte]
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		body.CompareAndSwap(nil, &text)
		got.Add(1)
	}))
	defer server.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		b.Fatal(err)
	}
	pool := durableDatabase(b)
	var ours, posts, rows time.Duration
	n := 0
	for b.Loop() {
		log, err := node.Open(node.Options{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		w := &world{t: b, log: log, pool: pool, intake: commands.NewIntake(commands.IntakeConfig{Log: log, Translators: []commands.Translator{decta.New()}})}
		want := 0
		for range benchOrders {
			want += w.pay(false)
		}
		ours += w.deliverAll(b, at, &got, want)
		posts += postAll(b, server.URL, *body.Load(), want)
		rows += writeAll(b, pool, *body.Load(), want)
		n += want
		if err := log.Close(); err != nil {
			b.Fatal(err)
		}
	}
	rate := func(took time.Duration) float64 { return float64(n) / took.Seconds() }
	b.ReportMetric(rate(ours), "deliveries/s")
	b.ReportMetric(rate(posts), "bare-posts/s")
	b.ReportMetric(rate(rows), "bare-rows/s")
	b.ReportMetric(100*rate(ours)/rate(posts+rows), "%of-both")
}

// deliverAll is the product: from the log to what is recorded as delivered.
func (w *world) deliverAll(b *testing.B, at *url.URL, got *atomic.Int64, want int) time.Duration {
	b.Helper()
	name := "shop-" + uuid.NewString()[:8]
	s := push.Subscriber{Name: name, URL: at, Secrets: [][]byte{secret(1)}, AllowPrivate: true, FromBeginning: true, Concurrency: benchConcurrency,
		Events: []string{"order.issued", "order.in_progress", "order.payment_success"}}.WithDefaults()
	p, err := push.New(push.Config{
		Log: w.log, Database: func() *pgxpool.Pool { return w.pool }, Subscribers: []push.Subscriber{s}, Clock: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	got.Store(0)
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	began := time.Now()
	go func() { done <- p.Run(ctx) }()
	until(b, "all is delivered", func() bool { return got.Load() >= int64(want) })
	until(b, "all is known as delivered", func() bool { return w.status(name).Delivered == int64(want) })
	took := time.Since(began)
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return took
}

// postAll sends bare requests.
func postAll(b *testing.B, at string, body []byte, want int) time.Duration {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchConcurrency, MaxConnsPerHost: benchConcurrency}}
	defer client.CloseIdleConnections()
	var left atomic.Int64
	left.Store(int64(want))
	var work sync.WaitGroup
	began := time.Now()
	for range benchConcurrency {
		work.Go(func() {
			for left.Add(-1) >= 0 {
				answer, err := client.Post(at, "application/json", bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
			}
		})
	}
	work.Wait()
	return time.Since(began)
}

// writeAll writes bare rows and deletes them, as one connection does.
func writeAll(b *testing.B, pool *pgxpool.Pool, body []byte, want int) time.Duration {
	b.Helper()
	exec := func(sql string, args ...any) {
		b.Helper()
		if _, err := pool.Exec(b.Context(), sql, args...); err != nil {
			b.Fatal(err)
		}
	}
	exec("DROP TABLE IF EXISTS bare")
	exec("CREATE TABLE bare (id bigint PRIMARY KEY, event_id uuid NOT NULL UNIQUE, body text NOT NULL)")
	began := time.Now()
	for first := 0; first < want; first += benchPlanned {
		_, err := pool.CopyFrom(b.Context(), pgx.Identifier{"bare"}, []string{"id", "event_id", "body"},
			pgx.CopyFromSlice(min(benchPlanned, want-first), func(i int) ([]any, error) { return []any{first + i, uuid.New(), string(body)}, nil }))
		if err != nil {
			b.Fatal(err)
		}
	}
	for first := 0; first < want; first += benchClaimed {
		exec("DELETE FROM bare WHERE id >= $1 AND id < $2", first, first+benchClaimed)
	}
	return time.Since(began)
}
