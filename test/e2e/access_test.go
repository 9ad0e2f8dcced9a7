package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/test/harness"
	"github.com/order-ledger/order-ledger/test/harness/openapi"
)

// TestOpenAPI_EveryRouteIsServed asks for each operation of the document: the ledger knows all of them.
// That it serves nothing else is a test of package web.
func TestOpenAPI_EveryRouteIsServed(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{})
	document, err := openapi.Parse([]byte(l.Get(t, "/openapi.json").Body))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(document.Operations()); n < 40 {
		t.Errorf("the document has %d operations", n)
	}
	for _, o := range document.Operations() {
		if o.Path == "/events/stream" { // it does not end; TestFeed follows it
			continue
		}
		path := strings.NewReplacer("{id}", "00000000000000000000000000", "{gateway}", "decta", "{account}", "default").Replace(o.Path)
		path = strings.NewReplacer("{", "", "}", "").Replace(path)
		answer := l.Do(t, o.Method, path, "", nil)
		var p struct{ Code string }
		_ = json.Unmarshal([]byte(answer.Body), &p)
		if p.Code == "not_found" || p.Code == "method_not_allowed" || answer.Status >= http.StatusInternalServerError {
			t.Errorf("%s %s: %d %s", o.Method, o.Path, answer.Status, answer.Body)
		}
	}
}

// bearer makes a token with scopes.
func bearer(t *testing.T, s *harness.Site, name, scopes string) (http.Header, string) {
	t.Helper()
	var made struct{ ID, Token string }
	if err := json.Unmarshal([]byte(s.RunOK(t, "token", "create", name, "--scopes", scopes, "--json").Stdout), &made); err != nil {
		t.Fatal(err)
	}
	return http.Header{"Authorization": {"Bearer " + made.Token}, "Content-Type": {"application/json"}}, name + "/" + made.ID
}

// TestScopes_Operations: a token with the scope operations does what the owner's does, in its own name; one
// with orders:write may not.
func TestScopes_Operations(t *testing.T) {
	t.Parallel()
	backups := t.TempDir()
	l := harness.Serve(t, harness.Options{Config: "backups: " + backups + "\n"})
	shop, _ := bearer(t, l.Site, "shop", "orders:write,orders:read")
	operator, name := bearer(t, l.Site, "kim", "operations")
	issued := l.Do(t, http.MethodPost, "/orders/", `{"number":"OPS-1","client":{"email":"ada.byron@example.com"},"products":[{"title":"x","price":"1.00"}]}`, shop)
	var order struct{ ID string }
	issued.JSON(t, &order)
	l.WaitForViews(t)
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/audit", `{"all":true}`, 200}, {"/rebuild", `{"verb":"status"}`, 200}, {"/exports", `{"manifest":{"range":"all"}}`, 400},
		{"/periods", `{"period":"2026-09"}`, 200}, {"/parked/none/retry", ``, 404}, {"/erase", `{"order":"` + order.ID + `","actor":"somebody else"}`, 200},
		{"/backup", `{"dir":"` + filepath.Join(t.TempDir(), "copy") + `"}`, 400}, {"/backup", `{"dir":"` + filepath.Join(backups, "copy") + `"}`, 200},
	} {
		if a := l.Do(t, http.MethodPost, c.path, c.body, shop); a.Status != http.StatusForbidden {
			t.Errorf("%s with orders:write: %d %s", c.path, a.Status, a.Body)
		}
		if a := l.Do(t, http.MethodPost, c.path, c.body, nil); a.Status != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d %s", c.path, a.Status, a.Body)
		}
		a := l.Do(t, http.MethodPost, c.path, c.body, operator)
		if a.Status != c.status {
			t.Errorf("%s with operations: %d, want %d: %s", c.path, a.Status, c.status, a.Body)
		}
		if c.path == "/erase" && (!strings.Contains(a.Body, name) || strings.Contains(a.Body, "somebody else")) {
			t.Errorf("the erasure is not in the name of %s: %s", name, a.Body)
		}
	}
	if a := l.Do(t, http.MethodPost, "/ingest/decta/default", "{}", operator); a.Status != http.StatusUnauthorized {
		t.Errorf("bulk intake with operations: %d %s", a.Status, a.Body)
	}
}

// certificate makes one for this machine that nobody signed but itself.
func certificate(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ledger"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key, pool = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), x509.NewCertPool()
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(parsed)
	return cert, key, pool
}

// TestTLS: with a certificate the ledger listens on all addresses, speaks TLS only, and the commands of its
// own machine find it.
func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key, pool := certificate(t)
	site := harness.NewSite(t, harness.Options{
		Config: "gateways:\n  - {gateway: connectpay, verify: {strategy: static_token, tokens: [\"env:E2E_TOKEN\"]}}\n",
		Env:    []string{"E2E_TOKEN=secret", "LEDGER_HTTP=0.0.0.0:0", "LEDGER_HTTP_TLS_CERT=" + cert, "LEDGER_HTTP_TLS_KEY=" + key},
	})
	l := site.Open(t)
	if !strings.HasPrefix(l.URL, "https://127.0.0.1:") {
		t.Fatalf("serves at %s", l.URL)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	status := func(path, token string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", token)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		_, _ = io.Copy(io.Discard, answer.Body)
		return answer.StatusCode
	}
	harness.Eventually(t, "/readyz answers 200", func() bool { return status("/readyz", "") == http.StatusOK })
	shop, _ := bearer(t, site, "shop", "orders:read")
	if without, with := status("/orders/", ""), status("/orders/", shop.Get("Authorization")); without != http.StatusUnauthorized || with != http.StatusOK {
		t.Errorf("orders without a token: %d, with one: %d", without, with)
	}
	if answer, err := http.Get(strings.Replace(l.URL, "https", "http", 1) + "/healthz"); err == nil {
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusBadRequest {
			t.Errorf("in clear it answers %d", answer.StatusCode)
		}
	}
	if r := site.RunOK(t, "audit", "--all", "--json"); !strings.Contains(r.Stdout, "{") {
		t.Errorf("audit through the running ledger says %s", r.Stdout)
	}
}
