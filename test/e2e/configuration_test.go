package e2e_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/test/harness"
)

// everifinSignature signs a body as Everifin does: with each secret that is valid, oldest first.
func everifinSignature(at time.Time, body string, secrets ...string) http.Header {
	ts := at.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	value := "ts=" + ts
	for i, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(ts + "." + body))
		value += ";v" + string(rune('0'+i)) + "=" + hex.EncodeToString(mac.Sum(nil))
	}
	return http.Header{"Signature": {value}}
}

// TestVerification_OfAllStrategies configures an account for each strategy and sends webhooks as the
// gateway would, and as somebody else would.
func TestVerification_OfAllStrategies(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "decta.pem")
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o600); err != nil {
		t.Fatal(err)
	}
	l := harness.Serve(t, harness.Options{
		Config: `
gateways:
  - {gateway: everifin, account: default, verify: {strategy: hmac_sha256, secrets: ["env:E2E_SECRET_OLD", "env:E2E_SECRET_NEW"]}}
  - {gateway: decta, account: shop-eu, verify: {strategy: rsa_sha256, public_keys: ["file:` + keyFile + `"]}}
  - {gateway: decta, account: shop-hex, verify: {strategy: hmac_sha256, secrets: ["env:E2E_SECRET_OLD"]}}
  - {gateway: connectpay, account: default, verify: {strategy: static_token, tokens: ["env:E2E_TOKEN"]}}
`,
		Env: []string{"E2E_SECRET_OLD=old-secret", "E2E_SECRET_NEW=new-secret", "E2E_TOKEN=connectpay-token"},
	})
	now := time.Now()
	rsaSigned := func(signed string) http.Header {
		digest := sha256.Sum256([]byte(signed))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return http.Header{"X-Signature": {base64.StdEncoding.EncodeToString(signature)}}
	}
	hexSigned := func(body, secret string) http.Header {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(body))
		return http.Header{"X-Webhook-Signature": {hex.EncodeToString(mac.Sum(nil))}}
	}
	hook := func(n string) string { return everifinHook("v-e"+n, "V-E"+n, "BOOKED") }
	decta := func(n string) string { return dectaPaid("v-d"+n, "V-D"+n) }
	card := connectpay("v-c", "V-C", "Approved")
	for _, c := range []struct {
		name, path, body string
		header           http.Header
		refused          string // the sentence's part; empty is accepted
	}{
		{"EverifinOldSecret", "everifin", hook("1"), everifinSignature(now, hook("1"), "old-secret"), ""},
		{"EverifinNewSecret", "everifin", hook("2"), everifinSignature(now, hook("2"), "new-secret"), ""},
		{"EverifinBothSecrets", "everifin", hook("3"), everifinSignature(now, hook("3"), "retired-secret", "new-secret"), ""},
		{"EverifinWrongSecret", "everifin", hook("4"), everifinSignature(now, hook("4"), "guessed"), "HMAC"},
		{"EverifinOtherBody", "everifin", hook("5"), everifinSignature(now, hook("1"), "new-secret"), "HMAC"},
		{"EverifinUnsigned", "everifin", hook("6"), nil, "Signature"},
		{"EverifinReplayed", "everifin", hook("7"), everifinSignature(now.Add(-time.Hour), hook("7"), "new-secret"), "1h0m0s"},
		{"EverifinReplayedWithNewTime", "everifin", hook("8"), http.Header{"Signature": {
			strings.Replace(everifinSignature(now.Add(-time.Hour), hook("8"), "new-secret").Get("Signature"),
				now.Add(-time.Hour).UTC().Format("2006-01-02T15:04:05.000Z07:00"), now.UTC().Format("2006-01-02T15:04:05.000Z07:00"), 1)}}, "HMAC"},
		{"RSA", "decta/shop-eu", decta("1"), rsaSigned(decta("1")), ""},
		{"RSAOtherBody", "decta/shop-eu", decta("2"), rsaSigned(decta("1")), "signature"},
		{"RSAUnsigned", "decta/shop-eu", decta("3"), nil, "X-Signature"},
		{"HMAC", "decta/shop-hex", decta("4"), hexSigned(decta("4"), "old-secret"), ""},
		{"HMACWrongSecret", "decta/shop-hex", decta("5"), hexSigned(decta("5"), "guessed"), "HMAC"},
		{"Token", "connectpay", card, http.Header{"X-Webhook-Token": {"connectpay-token"}}, ""},
		{"WrongToken", "connectpay", card, http.Header{"X-Webhook-Token": {"guessed"}}, "token"},
		{"NoToken", "connectpay", card, nil, "token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := l.Do(t, http.MethodPost, "/webhooks/"+c.path, c.body, c.header)
			if c.refused == "" {
				if answer.Status != http.StatusOK {
					t.Errorf("answered %d %s, want 200", answer.Status, answer.Body)
				}
				return
			}
			wantProblem(t, answer, http.StatusUnauthorized, c.refused)
		})
	}
	l.WaitForViews(t)
	if n := l.Site.Count(t, "ledger.orders"); n != 6 {
		t.Errorf("%d orders, want the 6 whose webhooks were verified", n)
	}
	refused := l.Site.Rows(t, `select source, source_account, code, count(*) as n from ledger.quarantine group by 1, 2, 3 order by 1, 2`)
	want := "connectpay default signature_failed 1\ndecta shop-eu signature_failed 2\ndecta shop-hex signature_failed 1\neverifin default signature_failed 5"
	// The two refusals of ConnectPay are of one body, whose evidence is kept once.
	if got := strings.Join(table(refused, "source", "source_account", "code", "n"), "\n"); got != want {
		t.Errorf("evidence of refusals in ledger.quarantine:\n%s\nwant\n%s", got, want)
	}
	verified := l.Site.Rows(t, `select distinct data->>'verified' as how from ledger.order_history where event_type = 'NotificationRecorded' order by 1`)
	if got := strings.Join(table(verified, "how"), " "); got != "hmac_sha256 rsa_sha256 static_token" {
		t.Errorf("notifications were verified by %s", got)
	}
	log := l.Stderr().String()
	for _, secret := range []string{"old-secret", "new-secret", "connectpay-token"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log shows the secret %s", secret)
		}
	}
}

// TestConfiguration_RefusesToStart says in one sentence what is wrong, and starts nothing.
func TestConfiguration_RefusesToStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, config string
		args         []string
		says         []string
	}{
		{"UnknownKey", "gateways:\n  - {gateway: decta, account: shop, verfy: {strategy: none}}\n", nil, []string{"verfy", "2", "unknown field"}},
		{"NoYAML", "gateways: [\n", nil, []string{"ledger.yaml"}},
		{"UnknownGateway", "gateways:\n  - {gateway: stripe, verify: {strategy: none}}\n", nil, []string{"stripe", "decta, everifin, connectpay"}},
		{"UnknownStrategy", "gateways:\n  - {gateway: decta, verify: {strategy: md5}}\n", nil, []string{"md5", "rsa_sha256, hmac_sha256, static_token or none"}},
		{"SecretInTheFile", "gateways:\n  - {gateway: decta, verify: {strategy: static_token, tokens: [hunter2]}}\n", nil, []string{"env:NAME"}},
		{"SecretNotSet", "gateways:\n  - {gateway: decta, verify: {strategy: static_token, tokens: [\"env:E2E_UNSET\"]}}\n", nil, []string{"E2E_UNSET", "not set"}},
		{"ConfiguredTwice", "gateways:\n  - {gateway: decta, verify: {strategy: none}}\n  - {gateway: decta, verify: {strategy: none}}\n", nil, []string{"decta/default", "twice"}},
		{"OpenToTheNetworkUnverified", "gateways:\n  - {gateway: decta, verify: {strategy: none}}\n", []string{"--http", "0.0.0.0:0"},
			[]string{"0.0.0.0:0 is open to the network", "decta/default", "127.0.0.1"}},
		{"OpenToTheNetworkInClear", "gateways:\n  - {gateway: decta, verify: {strategy: static_token, tokens: [\"env:PATH\"]}}\n", []string{"--http", "0.0.0.0:0"},
			[]string{"0.0.0.0:0 is open to the network", "in clear", "--http-tls-cert", "--http-behind-proxy"}},
		{"HalfACertificate", "", []string{"--http-tls-cert", "x.pem"}, []string{"--http-tls-cert and --http-tls-key go together"}},
		{"NoAddress", "", []string{"--http", "8080"}, []string{"8080 is not HOST:PORT"}},
		{"NoSuchConfiguration", "", []string{"--config", "no/such.yaml"}, []string{"no/such.yaml"}},
		{"NoDatabaseURL", "", []string{"--database-url", "mysql://root:hunter2@localhost/ledger"}, []string{"LEDGER_DATABASE_URL"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := harness.NewSite(t, harness.Options{Config: c.config, DatabaseURL: "postgres://nobody@127.0.0.1:1/none"})
			r := s.Run(t, append([]string{"serve"}, c.args...)...)
			if r.Code != 1 {
				t.Errorf("exit code %d, want 1", r.Code)
			}
			for _, part := range c.says {
				if !strings.Contains(r.Stderr, part) {
					t.Errorf("says\n%s\nwithout %q", r.Stderr, part)
				}
			}
			if strings.Contains(r.Stderr, "hunter2") {
				t.Errorf("shows the secret:\n%s", r.Stderr)
			}
		})
	}
}

// TestConfiguration_OpenToTheNetwork starts when every account has a verifier.
func TestConfiguration_OpenToTheNetwork(t *testing.T) {
	t.Parallel()
	l := harness.Serve(t, harness.Options{Config: `
gateways:
  - {gateway: connectpay, verify: {strategy: static_token, tokens: ["env:E2E_TOKEN"]}}
`, Env: []string{"E2E_TOKEN=secret", "LEDGER_HTTP=0.0.0.0:0", "LEDGER_HTTP_BEHIND_PROXY=1"}})
	answer := l.Do(t, http.MethodPost, "/webhooks/connectpay", connectpay("n-1", "N-1", "Approved"), http.Header{"X-Webhook-Token": {"secret"}})
	if answer.Status != http.StatusOK {
		t.Errorf("answered %d %s, want 200", answer.Status, answer.Body)
	}
	wantProblem(t, l.Post(t, "decta", dectaPaid("n-2", "N-2")), http.StatusNotFound, "accounts are configured")
}

// TestCommandLine_IsExplained answers wrong command lines with exit code 2 and a way on.
func TestCommandLine_IsExplained(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, harness.Options{DatabaseURL: "postgres://nobody@127.0.0.1:1/none"})
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"UnknownFlag", []string{"serve", "--prot", "1"}, 2, "ledger serve --help"},
		{"UnknownGateway", []string{"ingest", "--gateway", "stripe", "-"}, 2, "decta, everifin, connectpay"},
		{"NoFile", []string{"ingest", "--gateway", "decta"}, 2, "arg"},
		{"UnknownCommand", []string{"sevre"}, 2, "did you mean serve?"},
		{"UnknownSubcommand", []string{"order", "shwo", "x"}, 2, "did you mean show?"},
		{"NoID", []string{"order", "show"}, 2, "arg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := s.Run(t, c.args...)
			if r.Code != c.code || !strings.Contains(r.Stderr, c.says) || r.Stdout != "" {
				t.Errorf("exit code %d, stdout %q, stderr %q; want %d, nothing, %q", r.Code, r.Stdout, r.Stderr, c.code, c.says)
			}
		})
	}
	version := s.RunOK(t, "version", "--json")
	if !strings.Contains(version.Stdout, `"version"`) {
		t.Errorf("version --json: %s", version.Stdout)
	}
	help := s.RunOK(t, "help")
	if !strings.Contains(help.Stdout, "LEDGER_DATA_DIR") || !strings.Contains(help.Stdout, "ingest") {
		t.Errorf("help:\n%s", help.Stdout)
	}
	if strings.Contains(help.Stdout, s.DatabaseURL) {
		t.Errorf("help shows the database's URL, which may hold a password:\n%s", help.Stdout)
	}
}
