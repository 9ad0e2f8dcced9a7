package e2e_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/order-ledger/order-ledger/test/harness"
)

// hookShop receives webhooks and tells which of two secrets signed them.
type hookShop struct {
	server *httptest.Server

	mu     sync.Mutex
	status int
	signed map[string]string // secret by webhook-id, of what was accepted
}

const firstSecret, secondSecret = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"

func openHookShop(t *testing.T) *hookShop {
	t.Helper()
	s := &hookShop{status: http.StatusOK, signed: map[string]string{}}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		id := r.Header.Get("webhook-id")
		for _, secret := range []string{firstSecret, secondSecret} {
			mac := hmac.New(sha256.New, []byte(secret))
			_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, r.Header.Get("webhook-timestamp"), body)
			if s.status == http.StatusOK && r.Header.Get("webhook-signature") == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
				s.signed[id] = secret
			}
		}
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, "no room for "+id+"\x00")
	}))
	t.Cleanup(s.server.Close)
	return s
}

func (s *hookShop) answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// accepted counts what a secret signed.
func (s *hookShop) accepted(secret string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, by := range s.signed {
		if by == secret {
			n++
		}
	}
	return n
}

// hookStanding is how a subscriber stands, as `ledger webhooks list` says.
type hookStanding struct {
	Name       string  `json:"name"`
	Configured bool    `json:"configured"`
	Pending    int     `json:"pending"`
	Dead       int     `json:"dead"`
	DisabledAt *string `json:"disabled_at"`
}

func standingOf(t *testing.T, site *harness.Site, name string) (found hookStanding) {
	t.Helper()
	var all []hookStanding
	if err := json.Unmarshal([]byte(site.RunOK(t, "webhooks", "list", "--json").Stdout), &all); err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Name == name {
			found = s
		}
	}
	return found
}

// TestOutgoingWebhooks_DeadLetters operates a subscriber that refuses everything: an operator sees it in the
// metrics, in /readyz (which stays 200) and in `ledger status`, looks at a delivery, and retries and discards.
func TestOutgoingWebhooks_DeadLetters(t *testing.T) {
	t.Parallel()
	shop := openHookShop(t)
	shop.answer(http.StatusTeapot)
	site := harness.NewSite(t, harness.Options{
		Config: fmt.Sprintf(`
webhooks:
  - {name: shop, url: %s, secrets: ["env:E2E_HOOK"], events: ["order.payment_success"], allow_private: true, retry: {retries: 0}, disable_after: 0}
`, shop.server.URL),
		Env: []string{"E2E_HOOK=" + firstSecret},
	})
	l := site.Serve(t)
	const payments = 12 // more than the default of disable_after
	for i := range payments {
		l.Post(t, "decta", dectaPaid(fmt.Sprintf("d-%d", i), fmt.Sprintf("SO-D%d", i)))
	}
	harness.Eventually(t, "the metrics tell of dead letters", func() bool {
		m := l.Get(t, "/metrics").Body
		return strings.Contains(m, fmt.Sprintf(`ledger_webhook_dead_letters{subscriber="shop"} %d`, payments)) &&
			strings.Contains(m, `ledger_webhook_subscriber_disabled{subscriber="shop"} 0`) &&
			strings.Contains(m, `ledger_webhook_deliveries_waiting{subscriber="shop"} 0`)
	})
	if m := l.Get(t, "/metrics").Body; !strings.Contains(m, fmt.Sprintf(`ledger_webhook_deliveries_total{outcome="failed",subscriber="shop"} %d`, payments)) {
		t.Error("with retries: 0 there was more than one attempt of each")
	}
	ready := l.Get(t, "/readyz")
	var health struct {
		Webhooks struct {
			Dead    int    `json:"dead_letters"`
			Trouble string `json:"trouble"`
		} `json:"webhooks"`
	}
	if ready.JSON(t, &health); ready.Status != http.StatusOK || health.Webhooks.Dead != payments || health.Webhooks.Trouble == "" {
		t.Errorf("/readyz: %d %s", ready.Status, ready.Body)
	}
	if r := site.RunOK(t, "status"); !strings.Contains(r.Stdout, fmt.Sprintf("%d dead letters", payments)) || !strings.Contains(r.Stderr, "ledger webhooks list") {
		t.Errorf("status: %s%s", r.Stdout, r.Stderr)
	}

	var letters []struct {
		ID      int64                   `json:"id"`
		EventID string                  `json:"event_id"`
		Answer  string                  `json:"last_answer"`
		Body    string                  `json:"body"`
		History []struct{ Type string } `json:"history"`
	}
	show := func(args ...string) {
		t.Helper()
		letters = nil
		if err := json.Unmarshal([]byte(site.RunOK(t, append([]string{"webhooks", "show", "shop", "--json"}, args...)...).Stdout), &letters); err != nil {
			t.Fatal(err)
		}
	}
	if show(); len(letters) != payments || letters[0].Body != "" {
		t.Fatalf("%d letters: %+v", len(letters), letters[0])
	}
	first, second, event := fmt.Sprint(letters[0].ID), fmt.Sprint(letters[1].ID), letters[0].EventID
	harness.Eventually(t, "the attempt stands in the log", func() bool { show("--id", first); return len(letters[0].History) == 1 })
	if l := letters[0]; !strings.HasPrefix(l.Answer, "no room for "+event) || !strings.Contains(l.Body, `"type":"order.payment_success"`) || l.History[0].Type != "WebhookGivenUp" {
		t.Errorf("%+v", l)
	}
	if r := site.RunOK(t, "webhooks", "show", "shop", "--id", first); !strings.Contains(r.Stdout, "no room for") || !strings.Contains(r.Stdout, "418") {
		t.Errorf("%s", r.Stdout)
	}
	shop.answer(http.StatusOK)
	site.RunOK(t, "webhooks", "discard", "shop", "--id", first, "--actor", "kim", "--reason", "told by telephone")
	site.RunOK(t, "webhooks", "retry", "shop", "--id", second, "--actor", "lee")
	harness.Eventually(t, "the one is delivered", func() bool { return shop.accepted(firstSecret) == 1 })
	site.RunOK(t, "webhooks", "retry", "shop", "--actor", "lee")
	harness.Eventually(t, "all others are", func() bool { return shop.accepted(firstSecret) == payments-1 })
	site.RunOK(t, "webhooks", "disable", "shop", "--actor", "kim", "--reason", "holidays")
	harness.Eventually(t, "/readyz names who is disabled", func() bool {
		answer := l.Get(t, "/readyz")
		return answer.Status == http.StatusOK && strings.Contains(answer.Body, `"disabled":["shop"]`)
	})
	site.RunOK(t, "webhooks", "enable", "shop", "--actor", "kim")
	type outcome struct{ Type, Actor, Problem string }
	var history []outcome
	harness.Eventually(t, "who did what stands in the log", func() bool {
		history = nil
		if err := json.Unmarshal([]byte(site.RunOK(t, "webhooks", "history", "shop", "--json", "--most", "1000").Stdout), &history); err != nil {
			t.Fatal(err)
		}
		count := map[outcome]int{}
		for _, o := range history {
			count[o]++
		}
		return count[outcome{"WebhookDiscarded", "kim", "told by telephone"}] == 1 && count[outcome{"WebhookRetried", "lee", ""}] == payments-1 &&
			count[outcome{"WebhookSubscriberDisabled", "kim", "holidays"}] == 1 && count[outcome{"WebhookSubscriberEnabled", "kim", ""}] == 1 &&
			count[outcome{"WebhookDelivered", "system", ""}] == payments-1
	})

	for _, args := range [][]string{
		{"show", "nobody"}, {"retry", "nobody"}, {"discard", "nobody"}, {"remove", "nobody"}, {"history", "nobody"}, {"disable", "nobody"},
		{"resume", "nobody", "--from", "now"}, {"show", "shop", "--id", first}, {"retry", "shop", "--id", "999999"}, {"discard", "shop", "--id", "999999"},
	} {
		if r := site.Run(t, append([]string{"webhooks"}, args...)...); r.Code != 3 {
			t.Errorf("%v: exit code %d, %s", args, r.Code, r.Stderr)
		}
	}
	if r := site.Run(t, "webhooks", "resume", "shop"); r.Code != 2 {
		t.Errorf("resume from nowhere: exit code %d, %s", r.Code, r.Stderr)
	}
	if r := site.Run(t, "webhooks", "remove", "shop"); r.Code != 1 || !strings.Contains(r.Stderr, "configuration") {
		t.Errorf("a configured subscriber is removed: exit code %d, %s", r.Code, r.Stderr)
	}
}

// TestOutgoingWebhooks_Reload rotates a secret, adds a subscriber and takes one away, without a restart; a file
// that is wrong changes nothing.
func TestOutgoingWebhooks_Reload(t *testing.T) {
	t.Parallel()
	shop, other := openHookShop(t), openHookShop(t)
	dir := t.TempDir()
	config, secret := filepath.Join(dir, "ledger.yaml"), filepath.Join(dir, "secret")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	subscriber := func(name, url string) string {
		return fmt.Sprintf("  - {name: %s, url: %s, secrets: [\"file:%s\"], events: [\"order.payment_success\"], allow_private: true}\n", name, url, secret)
	}
	write(secret, firstSecret)
	write(config, "webhooks:\n"+subscriber("shop", shop.server.URL))
	site := harness.NewSite(t, harness.Options{Env: []string{"LEDGER_CONFIG=" + config}})
	l := site.Serve(t)
	paid := 0
	pay := func() {
		t.Helper()
		paid++
		l.Post(t, "decta", dectaPaid(fmt.Sprintf("r-%d", paid), fmt.Sprintf("SO-R%d", paid)))
	}
	pay()
	harness.Eventually(t, "the first secret signs", func() bool { return shop.accepted(firstSecret) == 1 })

	write(secret, secondSecret)
	write(config, "webhooks:\n"+subscriber("shop", shop.server.URL)+subscriber("other", other.server.URL))
	l.Hangup(t)
	harness.Eventually(t, "a subscriber is added", func() bool { return standingOf(t, site, "other").Configured })
	pay()
	harness.Eventually(t, "the second secret signs", func() bool { return shop.accepted(secondSecret) == 1 && other.accepted(secondSecret) == 1 })

	write(config, "webhooks:\n  - {name: shop, url: 'nowhere'}\n")
	l.Hangup(t)
	l.Stderr().WaitForLine(t, "the configuration was not read again")
	pay()
	harness.Eventually(t, "all goes on as before", func() bool { return shop.accepted(secondSecret) == 2 && other.accepted(secondSecret) == 2 })

	write(config, "webhooks:\n"+subscriber("other", other.server.URL))
	l.Hangup(t)
	harness.Eventually(t, "a subscriber is taken away", func() bool { return !standingOf(t, site, "shop").Configured })
	pay()
	harness.Eventually(t, "the other goes on", func() bool { return other.accepted(secondSecret) == 3 })
	site.RunOK(t, "webhooks", "remove", "shop", "--actor", "kim", "--reason", "closed")
	if s := standingOf(t, site, "shop"); s.Name != "" {
		t.Errorf("after the removal: %+v", s)
	}
	harness.Eventually(t, "the removal stands in the log", func() bool { return outcomes(t, site, "shop")["WebhookSubscriberRemoved"] == 1 })

	write(config, "webhooks:\n"+subscriber("other", other.server.URL)+subscriber("shop", shop.server.URL))
	l.Hangup(t)
	harness.Eventually(t, "another of the name begins", func() bool { return standingOf(t, site, "shop").Configured })
	pay()
	harness.Eventually(t, "it gets what comes now", func() bool { return shop.accepted(secondSecret) == 3 })
	if counts := outcomes(t, site, "shop"); counts["WebhookSubscriberAdded"] != 2 {
		t.Errorf("%v", counts)
	}
}
