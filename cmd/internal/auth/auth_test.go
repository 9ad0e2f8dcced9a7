package auth_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/auth"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestStore_LifeOfAToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := auth.NewStore(dir)
	secret, token, err := store.Create("shop", []auth.Scope{auth.OrdersRead}, now)
	if err != nil {
		t.Fatal(err)
	}
	who, err := auth.NewStore(dir).Verify(secret) // as another process sees it
	if err != nil || who.Name != "shop/"+token.ID || !who.May(auth.OrdersRead) || who.May(auth.OrdersWrite) {
		t.Errorf("%+v, %v", who, err)
	}
	if _, err := store.Revoke(token.ID, now); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Verify(secret); !errors.Is(err, auth.ErrRefused) {
		t.Errorf("revoked token: %v", err)
	}
	if tokens, err := store.List(); err != nil || len(tokens) != 1 || tokens[0].RevokedAt == nil {
		t.Errorf("list: %+v, %v", tokens, err)
	}
	if _, err := store.Revoke("abcdefghijkl", now); !errors.Is(err, auth.ErrNoToken) {
		t.Errorf("revoke of none: %v", err)
	}
}

// TestStore_KeepsNoSecret: whoever reads the files cannot call.
func TestStore_KeepsNoSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret, token, err := auth.NewStore(dir).Create("shop", []auth.Scope{auth.OrdersRead}, now)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, token.ID+".json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), secret[strings.LastIndex(secret, "_")+1:]) {
		t.Error("the file holds the secret")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestStore_RefusesWhatItDidNotMake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := auth.NewStore(dir)
	secret, token, err := store.Create("shop", []auth.Scope{auth.OrdersRead}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "..", "evil.json"), []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"", "x", secret + "x", secret[:len(secret)-1], "ledger_" + token.ID + "_", "ledger_../evil_x", "ledger_abcdefghijkl_x"} {
		if who, err := store.Verify(wrong); !errors.Is(err, auth.ErrRefused) {
			t.Errorf("%q: %+v, %v", wrong, who, err)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	limits := auth.NewLimits(2, 3)
	for i := range 3 {
		if _, ok := limits.Allow("a", now); !ok {
			t.Errorf("call %d refused", i)
		}
	}
	wait, ok := limits.Allow("a", now)
	if ok || wait != 500*time.Millisecond {
		t.Errorf("fourth call: %v, %v", wait, ok)
	}
	if _, ok := limits.Allow("b", now); !ok {
		t.Error("another principal was refused")
	}
	if _, ok := limits.Allow("a", now.Add(wait)); !ok {
		t.Error("refused after the wait")
	}
}
