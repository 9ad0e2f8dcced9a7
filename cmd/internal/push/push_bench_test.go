package push_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/order-ledger/order-ledger/cmd/internal/push"
)

// BenchmarkDeliver plans and delivers 6,000 events to a receiver on this machine, 32 requests under way.
func BenchmarkDeliver(b *testing.B) {
	const orders, concurrency = 2_000, 32
	var got atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got.Add(1)
	}))
	defer server.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		w := setup(b)
		want := int64(0)
		for range orders {
			want += int64(w.pay(false))
		}
		s := push.Subscriber{Name: "shop", URL: at, Secrets: [][]byte{secret(1)}, AllowPrivate: true, FromBeginning: true, Concurrency: concurrency,
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
		until(b, "all is delivered", func() bool { return got.Load() >= want })
		took := time.Since(began)
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(want)/took.Seconds(), "deliveries/s")
	}
}
