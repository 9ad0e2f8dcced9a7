package httpcall_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/order-ledger/order-ledger/commands/gateways/httpcall"
)

// TestPolling: polls that have used up their pace hold no command up.
func TestPolling(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	t.Cleanup(server.Close)
	caller := httpcall.New(httpcall.Options{PerSecond: 1000, PollsPerSecond: 0.001, Burst: 2, Client: server.Client()})
	get := httpcall.Request{Call: "GET order", Method: http.MethodGet, URL: server.URL, Repeatable: true}
	polling, stop := context.WithCancel(httpcall.Polling(t.Context()))
	for range 2 {
		if _, err := caller.Do(polling, get); err != nil {
			t.Fatal(err)
		}
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := caller.Do(polling, get)
		waiting <- err
	}()
	for range 5 {
		if _, err := caller.Do(t.Context(), httpcall.Request{Call: "POST refund", Method: http.MethodPost, URL: server.URL}); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-waiting; !errors.Is(err, context.Canceled) { // it was still waiting
		t.Errorf("the third poll ended with %v", err)
	}
}
