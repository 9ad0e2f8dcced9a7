package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/order-ledger/order-ledger/test/harness"
)

// TestOutgoingWebhooks configures a subscriber as an operator does, kills the ledger in between, and finds
// every event delivered, the figures in the list and the metrics.
func TestOutgoingWebhooks(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	got, status := map[string]int{}, http.StatusOK
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Header.Get("webhook-signature") == "" {
			t.Error("unsigned")
		}
		if status == http.StatusOK {
			got[r.Header.Get("webhook-id")]++
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(shop.Close)
	site := harness.NewSite(t, harness.Options{
		Config: fmt.Sprintf(`
webhooks:
  - name: shop
    url: %s/hooks
    secrets: ["env:E2E_HOOK"]
    events: ["order.payment_*"]
    template: status_change
    allow_private: true
    ordered: true
    timeout: 2s
    retry: {strategy: exponential, interval: 1s, retries: 20, max: 1s}
`, shop.URL),
		Env: []string{"E2E_HOOK=whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="},
	})
	l := site.Serve(t)
	const orders = 30
	for i := range orders {
		if i == orders/2 {
			mu.Lock()
			status = http.StatusServiceUnavailable // it is away, and so is the ledger
			mu.Unlock()
			l.Kill(t)
			l = site.Serve(t)
		}
		l.Post(t, "decta", dectaPaid(fmt.Sprintf("w-%d", i), fmt.Sprintf("SO-W%d", i)))
	}
	mu.Lock()
	status = http.StatusOK
	mu.Unlock()
	harness.Eventually(t, "all payments are delivered", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == orders })
	harness.Eventually(t, "nothing waits", func() bool {
		return strings.Contains(site.RunOK(t, "webhooks", "list", "--json").Stdout, `"pending": 0`)
	})
	if r := site.RunOK(t, "webhooks", "list"); !strings.Contains(r.Stdout, "shop") {
		t.Errorf("the list: %s", r.Stdout)
	}
	site.RunOK(t, "webhooks", "disable", "shop", "--reason", "holidays")
	if r := site.RunOK(t, "webhooks", "list"); !strings.Contains(r.Stdout, "holidays") {
		t.Errorf("the list: %s", r.Stdout)
	}
	site.RunOK(t, "webhooks", "enable", "shop")
	if r := site.Run(t, "webhooks", "enable", "nobody"); r.Code != 3 {
		t.Errorf("somebody unknown: exit code %d, %s", r.Code, r.Stderr)
	}
	if m := l.Get(t, "/metrics").Body; !strings.Contains(m, `ledger_webhook_deliveries_total{outcome="delivered",subscriber="shop"}`) {
		t.Error("the metrics say nothing of deliveries")
	}
	harness.Eventually(t, "what became of them stands in the log", func() bool {
		told := outcomes(t, site, "shop")
		return told["WebhookDelivered"] == len(got) && told["WebhookSubscriberDisabled"] == 1 && told["WebhookSubscriberEnabled"] == 1
	})
}

// outcomes counts what the log tells of a subscriber, by type.
func outcomes(t *testing.T, site *harness.Site, subscriber string) map[string]int {
	t.Helper()
	var told []struct{ Type string }
	if err := json.Unmarshal([]byte(site.RunOK(t, "webhooks", "history", subscriber, "--most", "10000", "--json").Stdout), &told); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, o := range told {
		counts[o.Type]++
	}
	return counts
}

// TestOutgoingWebhooks_WrongConfiguration is refused with a sentence, and no secret in it.
func TestOutgoingWebhooks_WrongConfiguration(t *testing.T) {
	t.Parallel()
	for config, says := range map[string]string{
		"{name: shop, url: 'http://shop.example/', secrets: ['env:E2E_HOOK']}":                           "plain http",
		"{name: shop, url: 'https://shop.example/', secrets: []}":                                        "secrets",
		"{name: shop, url: 'https://shop.example/', secrets: ['env:E2E_HOOK'], events: ['order.eaten']}": "order.eaten",
		"{name: 'Shop!', url: 'https://shop.example/', secrets: ['env:E2E_HOOK']}":                       "named",
	} {
		site := harness.NewSite(t, harness.Options{Config: "webhooks:\n  - " + config + "\n", Env: []string{"E2E_HOOK=0123456789abcdef0123456789abcdef"}})
		if r := site.Run(t, "serve"); r.Code == 0 || !strings.Contains(r.Stderr, says) || strings.Contains(r.Stderr, "0123456789abcdef") {
			t.Errorf("%s: exit code %d, %s", config, r.Code, r.Stderr)
		}
	}
}
