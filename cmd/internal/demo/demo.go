// Package demo shows the ledger at work: it sends simulated traffic of all
// three gateways through the real webhooks and compares what the views say
// with what truly happened.
package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/order-ledger/order-ledger/cmd/internal/simulate"
	"github.com/order-ledger/order-ledger/commands"
)

// postTimeout bounds one webhook.
const postTimeout = 30 * time.Second

// Traffic is what is sent.
type Traffic struct {
	URL    string // of the ledger
	Orders int
	Seed   uint64
	// Duration spreads the traffic; 0 sends as fast as the ledger answers.
	Duration time.Duration
	// Sent is called after each notification, Done when an order is complete;
	// both may be nil.
	Sent func(sent, total int)
	Done func(simulate.Expected)
}

// Result is what was sent.
type Result struct {
	Notifications int
	Outcomes      map[commands.Outcome]int
	Expected      []simulate.Expected
	Took          time.Duration
}

// Send sends the traffic, each notification as a gateway would, and fails when
// one is not answered with 200.
func Send(ctx context.Context, t Traffic) (Result, error) {
	total := 0
	options := simulate.Options{Orders: t.Orders, Seed: t.Seed}
	err := simulate.Run(options, func(simulate.Notification) error { total++; return nil }, func(simulate.Expected) error { return nil })
	if err != nil {
		return Result{}, err
	}
	pace := rate.NewLimiter(rate.Inf, 1)
	if t.Duration > 0 && total > 0 {
		pace.SetLimit(rate.Limit(float64(total) / t.Duration.Seconds()))
		pace.SetBurst(max(1, total/50))
	}
	r := Result{Outcomes: map[commands.Outcome]int{}}
	client := &http.Client{Timeout: postTimeout}
	began := time.Now()
	err = simulate.Run(options, func(n simulate.Notification) error {
		if err := pace.Wait(ctx); err != nil {
			return err
		}
		if err := post(ctx, client, t.URL, n); err != nil {
			return err
		}
		r.Notifications++
		if t.Sent != nil {
			t.Sent(r.Notifications, total)
		}
		return nil
	}, func(e simulate.Expected) error {
		r.Expected = append(r.Expected, e)
		if t.Done != nil {
			t.Done(e)
		}
		return nil
	})
	r.Took = time.Since(began)
	return r, err
}

func post(ctx context.Context, client *http.Client, url string, n simulate.Notification) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/webhooks/"+n.Gateway, bytes.NewReader(n.Body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("send a webhook: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	if err != nil {
		return fmt.Errorf("read the answer to a webhook: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("a webhook of %s was answered with %s: %s", n.Gateway, answer.Status, text)
	}
	return nil
}
