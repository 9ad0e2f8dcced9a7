package web_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/test/harness/issuer"
)

// configured adds to the configuration file.
func configured(t *testing.T, text string) func(*config.Settings) {
	t.Helper()
	return func(s *config.Settings) {
		f, err := os.OpenFile(s.File, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLimits_ReadsAndWrites: whatever a token asks for counts, and who asks too often is told for how long.
func TestLimits_ReadsAndWrites(t *testing.T) {
	t.Parallel()
	s := openShop(t, configured(t, "access: {limits: {per_second: 0.001, burst: 9}}\n"))
	id := s.issue("")
	s.fresh() // asks without the token
	for i, path := range []string{"", "/history", "/advice", "/payments", "/explain"} {
		if status, _, text := s.call(http.MethodGet, "/orders/"+id+path, ""); status != http.StatusOK {
			t.Fatalf("request %d: %d %s", i, status, text)
		}
	}
	for _, path := range []string{"/events", "/reports", "/orders/"} {
		if status, _, text := s.call(http.MethodGet, path, ""); status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, status, text)
		}
	}
	for _, c := range [][2]string{
		{http.MethodGet, "/orders/" + id}, {http.MethodGet, "/orders/" + id + "/history"}, {http.MethodGet, "/events"},
		{http.MethodGet, "/reports"}, {http.MethodPost, "/orders/" + id + "/cancel"}, {http.MethodPost, "/audit"},
	} {
		status, header, text := s.call(c[0], c[1], `{}`)
		var p struct{ Code string }
		_ = json.Unmarshal([]byte(text), &p)
		if wait, err := strconv.Atoi(header.Get("Retry-After")); status != http.StatusTooManyRequests || p.Code != "too_many_requests" || err != nil || wait < 1 {
			t.Errorf("%s %s: %d %s, Retry-After %q", c[0], c[1], status, text, header.Get("Retry-After"))
		}
	}
}

// TestOIDC_OverHTTP: a token of a configured issuer acts in the name of its person.
func TestOIDC_OverHTTP(t *testing.T) {
	t.Parallel()
	i := issuer.New(t, time.Now)
	s := openShop(t, configured(t, "access:\n  oidc:\n    - {issuer: \""+i.URL+"\", audience: ledger, scopes_claim: groups, actor_claim: email, scopes: {shop: [\"orders:write\"]}}\n"))
	bearer := func(claims map[string]any) []string {
		return []string{"Authorization", "Bearer " + i.Token("k1", claims)}
	}
	const order = `{"products":[{"title":"x","price":"1.00"}],"register_only":true}`
	kim := map[string]any{"email": "kim@shop.example", "groups": []string{"shop"}}
	if status, _, text := s.call(http.MethodPost, "/orders/", order, bearer(kim)...); status != http.StatusCreated {
		t.Fatalf("%d %s", status, text)
	}
	s.fresh()
	if _, _, feed := s.call(http.MethodGet, "/events", ""); !strings.Contains(feed, `"kim@shop.example/127.0.0.1:`) {
		t.Errorf("the events do not name the person: %s", feed)
	}
	for name, c := range map[string]struct {
		claims map[string]any
		status int
		code   string
	}{
		"NoScope": {map[string]any{"email": "lee@shop.example", "groups": []string{"guests"}}, 403, "scope_missing"},
		"Expired": {map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}, 401, "token_expired"},
		"Other":   {map[string]any{"aud": "other"}, 401, "token_refused"},
	} {
		status, _, text := s.call(http.MethodPost, "/orders/", order, bearer(c.claims)...)
		if status != c.status || !strings.Contains(text, `"`+c.code+`"`) {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	i.Rotate("k2")
	i.Down.Store(true)
	if status, _, text := s.call(http.MethodPost, "/orders/", order, "Authorization", "Bearer "+i.Token("k2", kim)); status != http.StatusServiceUnavailable {
		t.Errorf("the issuer is away: %d %s", status, text)
	}
}

// TestReading_TakesANameOfThisMachine: a page of the web whose name leads to this machine (DNS rebinding)
// reads nothing without a token. What takes no token anywhere is answered under any name.
func TestReading_TakesANameOfThisMachine(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	id := s.issue("")
	s.fresh()
	ask := func(host, method, target, token string, header ...string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, s.url+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if err := s.document.Check(method, target, answer.StatusCode, answer.Header, text); err != nil {
			t.Error(err)
		}
		return answer.StatusCode, string(text)
	}
	for _, host := range []string{"localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:1", "127.9.9.9:80", "[::1]", "[::1]:8080", "[::ffff:127.0.0.1]:80"} {
		if status, text := ask(host, http.MethodGet, "/orders/"+id, ""); status != http.StatusOK {
			t.Errorf("under %s: %d %s", host, status, text)
		}
	}
	strangers := []string{
		"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1:8080", "[2001:db8::1]:80", "0.0.0.0:8080", "localhost:80:80",
	}
	for _, host := range strangers {
		if status, text := ask(host, http.MethodGet, "/orders/"+id, ""); status != http.StatusForbidden || !strings.Contains(text, `"host_refused"`) {
			t.Errorf("under %s: %d %s", host, status, text)
		}
		if status, text := ask(host, http.MethodGet, "/orders/"+id, s.token); status != http.StatusOK {
			t.Errorf("with a token under %s: %d %s", host, status, text)
		}
	}
	for _, target := range []string{"/orders/", "/orders/" + id + "/history", "/events", "/events/stream", "/reports", "/reports/overview", "/reconciliation"} {
		if status, text := ask("evil.example", http.MethodGet, target, ""); status != http.StatusForbidden {
			t.Errorf("%s: %d %.100s", target, status, text)
		}
	}
	for _, target := range []string{"/healthz", "/readyz", "/metrics"} {
		if status, text := ask("ledger.example", http.MethodGet, target, ""); status != http.StatusOK {
			t.Errorf("%s: %d %.100s", target, status, text)
		}
	}
	if status, text := ask("ledger.example", http.MethodPost, "/webhooks/decta", ""); status != http.StatusOK {
		t.Errorf("a webhook: %d %s", status, text)
	}
	if status, text := ask("localhost", http.MethodPost, "/webhooks/decta", "", "Origin", "https://evil.example"); status != http.StatusForbidden || !strings.Contains(text, `"browser_refused"`) {
		t.Errorf("a webhook without a signature from a page: %d %s", status, text)
	}
	const bulk = "/ingest/decta/default?views_wait=1ms"
	if status, text := ask("evil.example", http.MethodPost, bulk, owner); status != http.StatusForbidden || !strings.Contains(text, `"host_refused"`) {
		t.Errorf("bulk under a stranger's name: %d %s", status, text)
	}
	for _, host := range []string{"localhost:80", strings.TrimPrefix(s.url, "http://")} {
		if status, text := ask(host, http.MethodPost, bulk, owner); status != http.StatusOK {
			t.Errorf("bulk under %s: %d %s", host, status, text)
		}
	}
}
