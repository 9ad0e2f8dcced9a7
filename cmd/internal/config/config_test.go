package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/commands/gateways/signature"
)

func TestLoadAccounts_WithoutConfiguration(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		settings config.Settings
		unsigned string // joined; empty expects a refusal that says why
		says     string
	}{
		{"Loopback", config.Settings{HTTP: "127.0.0.1:8080"}, "connectpay/default decta/default everifin/default", ""},
		{"LoopbackName", config.Settings{HTTP: "localhost:0"}, "connectpay/default decta/default everifin/default", ""},
		{"LoopbackV6", config.Settings{HTTP: "[::1]:8080"}, "connectpay/default decta/default everifin/default", ""},
		{"OpenToTheNetwork", config.Settings{HTTP: "0.0.0.0:8080"}, "", "0.0.0.0:8080 is open to the network"},
		{"AllInterfaces", config.Settings{HTTP: ":8080"}, "", "is open to the network"},
		{"OtherAddress", config.Settings{HTTP: "192.0.2.7:8080"}, "", "is open to the network"},
		{"NoAddress", config.Settings{HTTP: ""}, "", "is not HOST:PORT"},
		{"ListensToNobody", config.Settings{HTTP: "0.0.0.0:8080", Offline: true}, "connectpay/default decta/default everifin/default", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			accounts, err := config.LoadAccounts(c.settings)
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v, want one with %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(accounts.Unsigned(), " "); got != c.unsigned {
				t.Errorf("unsigned accounts %q, want %q", got, c.unsigned)
			}
		})
	}
}

// TestLoadAccounts_OpenToTheNetworkAddsNothing keeps an account that nobody configured from being
// open to the network.
func TestLoadAccounts_OpenToTheNetworkAddsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	token, file := filepath.Join(dir, "token"), filepath.Join(dir, "ledger.yaml")
	yaml := "gateways:\n  - {gateway: connectpay, verify: {strategy: static_token, tokens: [\"file:" + token + "\"]}}\n"
	for path, text := range map[string]string{token: "secret\n", file: yaml} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	accounts, err := config.LoadAccounts(config.Settings{HTTP: "0.0.0.0:8080", File: file})
	if err != nil {
		t.Fatal(err)
	}
	account, ok := accounts.Find("connectpay", config.DefaultAccount)
	if !ok || account.Verifier.Strategy() != signature.StrategyToken {
		t.Errorf("account connectpay/default: %+v, %v", account, ok)
	}
	if _, ok := accounts.Find("decta", config.DefaultAccount); ok {
		t.Error("decta/default is open to the network, and nobody configured it")
	}
}
