package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/commands/reconcile"
)

func TestLoadAccounts_API(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("s3cr3t-key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ account, says string }{
		"Decta": {"gateway: decta, confirm: true, api: {url: 'https://gate.example/api/v0.6', key: 'file:" + secret + "'}", ""},
		"Everifin": {"gateway: everifin, api: {url: 'https://pay.example/api/v2', token_url: 'https://app.example/token', " +
			"client_id: c, client_secret: 'file:" + secret + "'}", ""},
		"InClear":          {"gateway: decta, api: {url: 'http://gate.example', key: 'file:" + secret + "'}", "https://"},
		"SecretInTheFile":  {"gateway: decta, api: {url: 'https://gate.example', key: s3cr3t-key}", "want a reference"},
		"ConfirmBlindly":   {"gateway: decta, confirm: true", "confirm needs an api"},
		"NoPEM":            {"gateway: connectpay, api: {url: 'https://c.example', user: u, password: 'file:" + secret + "', signing_key: 'file:" + secret + "'}", "not PEM"},
		"NoTokenEndpoint":  {"gateway: everifin, api: {url: 'https://pay.example', client_id: c, client_secret: 'file:" + secret + "'}", "address"},
		"MissingTheSecret": {"gateway: decta, api: {url: 'https://gate.example', key: 'env:NO_SUCH_VARIABLE_SET'}", "NO_SUCH_VARIABLE_SET"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "ledger.yaml")
			text := "gateways:\n  - {" + c.account + ", verify: {strategy: static_token, tokens: ['file:" + secret + "']}}\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			accounts, err := config.LoadAccounts(config.Settings{File: file, Offline: true})
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cr3t") {
					t.Errorf("error %v, want one with %q and without the secret", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			watched := slices.DeleteFunc(accounts.Watched(), func(a reconcile.Account) bool { return a.Client == nil })
			if len(watched) != 1 {
				t.Errorf("%d accounts with an API, want 1", len(watched))
			}
		})
	}
}

func TestLoadAccounts_Clocks(t *testing.T) {
	t.Parallel()
	for clocks, says := range map[string]string{
		"{hold: 168h, unstarted: 20m}": "", "{hold: -1h}": "positive", "{hold: 7}": "hold", "{holds: 1h}": "holds",
	} {
		file := filepath.Join(t.TempDir(), "ledger.yaml")
		text := "gateways:\n  - {gateway: decta, verify: {strategy: none}, clocks: " + clocks + "}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		accounts, err := config.LoadAccounts(config.Settings{File: file, Offline: true})
		switch {
		case says != "":
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: error %v, want one with %q", clocks, err, says)
			}
		case err != nil:
			t.Error(err)
		default:
			if n := len(accounts.Watched()); n != 3 {
				t.Errorf("%d accounts are watched, want one of each gateway, configured or not", n)
			}
			if got := accounts["decta"]["default"].Clocks; got != (reconcile.Clocks{Hold: 168 * time.Hour, Unstarted: 20 * time.Minute}) {
				t.Errorf("%s: %+v", clocks, got)
			}
		}
	}
}
