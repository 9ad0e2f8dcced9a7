package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/order-ledger/order-ledger/test/harness"
)

var approve = regexp.MustCompile("--approve ([0-9a-f]+)")

// TestOutgoingWebhooks_AfterARestore brings the log back from a backup, under a database that had planned
// further, rebuilds the views as the operator is told to, and finds every later payment delivered.
func TestOutgoingWebhooks_AfterARestore(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	got := map[string]bool{} // merchant references
	shop := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		mu.Lock()
		defer mu.Unlock()
		got[regexp.MustCompile("SO-[A-Z]+[0-9]+").FindString(string(body))] = true
	}))
	t.Cleanup(shop.Close)
	delivered := func(prefix string, n int) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			for i := range n {
				if !got[fmt.Sprintf("SO-%s%d", prefix, i)] {
					return false
				}
			}
			return true
		}
	}
	site := harness.NewSite(t, harness.Options{
		Config: fmt.Sprintf(`
webhooks:
  - {name: shop, url: %s/hooks, secrets: ["env:E2E_HOOK"], events: ["order.payment_success"], template: status_change, allow_private: true}
`, shop.URL),
		Env: []string{"E2E_HOOK=whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="},
	})
	l := site.Serve(t)
	pay := func(prefix string, n int) {
		t.Helper()
		for i := range n {
			l.Post(t, "decta", dectaPaid(fmt.Sprintf("%s-%d", prefix, i), fmt.Sprintf("SO-%s%d", prefix, i)))
		}
	}
	pay("BEFORE", 3)
	harness.Eventually(t, "the first are delivered", delivered("BEFORE", 3))
	harness.Eventually(t, "the log tells of them", func() bool { return outcomes(t, site, "shop")["WebhookDelivered"] == 3 })
	backup := filepath.Join(harness.DataDir(t), "backup")
	site.RunOK(t, "backup", backup)
	pay("LOST", 8)
	harness.Eventually(t, "those are delivered that will be lost", delivered("LOST", 8))
	l.Terminate(t)

	if err := os.RemoveAll(filepath.Join(site.Dir, "events")); err != nil {
		t.Fatal(err)
	}
	site.RunOK(t, "restore", backup)
	harness.Eventually(t, "the views are built anew", func() bool { // the database may not know yet that the ledger ended
		r := site.Run(t, "rebuild")
		if digest := approve.FindStringSubmatch(r.Stderr); digest != nil {
			r = site.Run(t, "rebuild", "swap", "--approve", digest[1])
		}
		if r.Code != 0 {
			t.Logf("rebuild: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
		}
		return r.Code == 0
	})
	l = site.Open(t)
	pay("AFTER", 20) // over the positions that had been planned
	harness.Eventually(t, "every later payment is delivered", delivered("AFTER", 20))
	harness.Eventually(t, "the log says that planning began anew", func() bool { return outcomes(t, site, "shop")["WebhookSubscriberReset"] == 1 })
	l.Stderr().WaitForLine(t, "deliveries of webhooks are planned anew") // and so does the ledger's own
}
