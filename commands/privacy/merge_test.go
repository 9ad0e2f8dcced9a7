package privacy_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/order-ledger/order-ledger/commands/privacy"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

func merge(t *testing.T, from, to string) privacy.Merged {
	t.Helper()
	done, err := privacy.Merge(t.Context(), from, to)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// TestMerge_NothingComesBack: a copy of keys that is older than an erasure brings the rest back and not what was
// erased, and a copy that is brought up to date forgets it too.
func TestMerge_NothingComesBack(t *testing.T) {
	t.Parallel()
	v, copied := newVault(t), t.TempDir()
	kept, gone := newID(), newID()
	keptToken, err := v.Seal(t.Context(), kept, []byte(buyer))
	if err != nil {
		t.Fatal(err)
	}
	goneToken, err := v.Seal(t.Context(), gone, []byte(buyer))
	if err != nil {
		t.Fatal(err)
	}
	if done := merge(t, v.dir, copied); done.Copied != 1 {
		t.Errorf("%+v, want one sheet copied", done)
	}
	if err := v.Destroy(t.Context(), gone, goneToken); err != nil {
		t.Fatal(err)
	}
	merge(t, copied, v.dir)
	v.open(t)
	v.shows(t, kept, keptToken, buyer)
	v.shows(t, gone, goneToken, privacy.Erased)

	if done := merge(t, v.dir, copied); done != (privacy.Merged{Destroyed: 1}) {
		t.Errorf("%+v, want the erased key destroyed in the copy", done)
	}
	elsewhere := &vault{dir: t.TempDir(), master: v.master}
	merge(t, copied, elsewhere.dir)
	elsewhere.open(t)
	elsewhere.shows(t, kept, keptToken, buyer)
	elsewhere.shows(t, gone, goneToken, privacy.Erased)
}

// TestMerge_SheetInTheMaking: a sheet that is not written whole is not copied, and is when it is.
func TestMerge_SheetInTheMaking(t *testing.T) {
	t.Parallel()
	v, copied, id := newVault(t), t.TempDir(), newID()
	token, err := v.Seal(t.Context(), id, []byte(buyer))
	if err != nil {
		t.Fatal(err)
	}
	sheets, err := filepath.Glob(filepath.Join(v.dir, "sheets", "*"))
	if err != nil || len(sheets) != 1 {
		t.Fatal(sheets, err)
	}
	whole, err := os.ReadFile(sheets[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sheets[0], whole[:5000], 0o600); err != nil {
		t.Fatal(err)
	}
	if done := merge(t, v.dir, copied); done.Copied != 0 {
		t.Errorf("%+v", done)
	}
	if err := os.WriteFile(sheets[0], whole, 0o600); err != nil {
		t.Fatal(err)
	}
	merge(t, v.dir, copied)
	elsewhere := &vault{dir: copied, master: v.master}
	elsewhere.open(t)
	elsewhere.shows(t, id, token, buyer)
}

// TestEraser_OldBackups: neither a backup of the log nor a copy of the keys from before an erasure shows what was
// erased.
func TestEraser_OldBackups(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	oldLog, oldKeys := filepath.Join(t.TempDir(), "log"), t.TempDir()
	if err := l.node.Backup(t.Context(), oldLog); err != nil {
		t.Fatal(err)
	}
	merge(t, l.vault.dir, oldKeys)
	if _, err := l.erase(t, "operator:kim"); err != nil {
		t.Fatal(err)
	}
	restored, err := node.Open(node.Options{Dir: oldLog})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = restored.Close() }()
	before := &privacy.Eraser{Vault: l.vault.Vault, Log: restored}
	if orders, err := before.OrdersOf(t.Context(), "ada.byron@example.com"); err != nil || len(orders) != 0 {
		t.Errorf("the old log names %v, %v", orders, err)
	}
	l.vault.shows(t, l.id, l.token, privacy.Erased)

	// Another machine, with the log of today and the keys of before.
	elsewhere := &vault{dir: oldKeys, master: l.vault.master}
	elsewhere.open(t)
	elsewhere.shows(t, l.id, l.token, buyer)
	after := &privacy.Eraser{Vault: elsewhere.Vault, Log: l.node}
	if orders, err := after.DestroyErased(t.Context()); err != nil || orders != 1 {
		t.Errorf("%d orders destroyed again, %v", orders, err)
	}
	elsewhere.shows(t, l.id, l.token, privacy.Erased)
}

// TestErase_TextLikeAToken: who writes another order's token into a text of his own neither keeps his order from
// being erased nor destroys the other's data.
func TestErase_TextLikeAToken(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	other := newID()
	theirs, err := l.vault.Seal(t.Context(), other, []byte(buyer))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{theirs, "sealed:1:AAAA", "sealed:2:"} {
		l.append(t, l.stream, order.AnomalyFlagged{Code: order.FlagLate, Detail: text})
	}
	if receipt, err := l.erase(t, "operator:kim"); err != nil || receipt.Tokens != 1 {
		t.Errorf("%+v, %v", receipt, err)
	}
	l.vault.shows(t, l.id, l.token, privacy.Erased)
	l.vault.shows(t, other, theirs, buyer)
}

// TestErase_SealedMeanwhile: what was sealed while an erasure went on is destroyed by the next one, which answers
// with the first receipt.
func TestErase_SealedMeanwhile(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	if _, err := l.erase(t, "operator:kim"); err != nil {
		t.Fatal(err)
	}
	late, err := l.vault.Seal(t.Context(), l.id, []byte(buyer))
	if err != nil {
		t.Fatal(err)
	}
	l.sealed(t, late)
	if receipt, err := l.erase(t, "operator:lee"); err != nil || receipt.Actor != "operator:kim" {
		t.Errorf("%+v, %v", receipt, err)
	}
	l.vault.shows(t, l.id, late, privacy.Erased)
	if _, err := l.vault.Open(t.Context(), l.id, late); !errors.Is(err, privacy.ErrErased) {
		t.Error(err)
	}
}
