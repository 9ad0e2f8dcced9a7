package privacy_test

import (
	"encoding/base64"
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
	done, err := privacy.Merge(t.Context(), privacy.KeysInFolder(from), privacy.KeysInFolder(to))
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
	half := append([]byte("ledger-keys-2\n"), whole[14:5000]...) // as an earlier version began to write it
	if err := os.WriteFile(sheets[0], half, 0o600); err != nil {
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
	if orders, _, err := before.OrdersOf(t.Context(), "ada.byron@example.com"); err != nil || len(orders) != 0 {
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

// TestMerge_DamagedSheet: what a disk lost of a sheet is not taken for destroyed keys; the copy keeps them, and
// other sheets are copied all the same.
func TestMerge_DamagedSheet(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(sheet []byte) []byte{
		"Zeros": func(sheet []byte) []byte { return make([]byte, len(sheet)) },
		"Cut":   func(sheet []byte) []byte { return sheet[:len(sheet)/2] },
		"Empty": func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, copied, id := newVault(t), t.TempDir(), newID()
			token, err := v.Seal(t.Context(), id, []byte(buyer))
			if err != nil {
				t.Fatal(err)
			}
			merge(t, v.dir, copied)
			sheets, err := filepath.Glob(filepath.Join(v.dir, "sheets", "*"))
			if err != nil || len(sheets) != 1 {
				t.Fatal(sheets, err)
			}
			whole, err := os.ReadFile(sheets[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(sheets[0], damage(whole), 0o600); err != nil {
				t.Fatal(err)
			}
			v.open(t)
			if text, err := v.Show(t.Context(), id, token); err == nil {
				t.Errorf("a damaged sheet shows %q", text)
			}
			if _, err := v.Seal(t.Context(), newID(), []byte(buyer)); err != nil {
				t.Fatal(err)
			}
			if done, err := privacy.Merge(t.Context(), privacy.KeysInFolder(v.dir), privacy.KeysInFolder(copied)); err == nil || done != (privacy.Merged{Copied: 1}) {
				t.Errorf("%+v, %v; want the other sheet copied, and an error", done, err)
			}
			elsewhere := &vault{dir: copied, master: v.master}
			elsewhere.open(t)
			elsewhere.shows(t, id, token, buyer)
		})
	}
}

// TestMerge_KeyFileCutOff: a key of an earlier version whose file was emptied when the machine stopped is destroyed in
// the copy too.
func TestMerge_KeyFileCutOff(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), t.TempDir()
	path := filepath.Join(from, "orders", oldID)
	content, err := base64.StdEncoding.DecodeString(oldFile)
	if err = errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
		t.Fatal(err)
	}
	merge(t, from, to)
	copied := &vault{dir: to, master: make([]byte, privacy.KeyBytes)}
	copied.open(t)
	copied.shows(t, oldID, oldToken, oldText)
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	merge(t, from, to)
	copied.shows(t, oldID, oldToken, privacy.Erased)
}

// TestErase_LostKeys: an order whose keys were lost can be erased, and others are found; a copy of the keys that turns
// up later does not bring its data back.
func TestErase_LostKeys(t *testing.T) {
	t.Parallel()
	l, copied := newLedger(t), t.TempDir()
	merge(t, l.vault.dir, copied)
	if err := os.RemoveAll(filepath.Join(l.vault.dir, "sheets")); err != nil {
		t.Fatal(err)
	}
	l.vault.open(t)
	l.eraser.Vault = l.vault.Vault
	found, lost, err := l.eraser.OrdersOf(t.Context(), "ada.byron@example.com")
	if err != nil || len(found) != 0 || len(lost) != 1 || lost[0] != l.id {
		t.Errorf("found %v, lost %v, %v", found, lost, err)
	}
	if receipt, err := l.erase(t, "operator:kim"); err != nil || receipt.Tokens != 1 || receipt.Lost != 1 {
		t.Errorf("%+v, %v", receipt, err)
	}
	merge(t, copied, l.vault.dir)
	if _, err := l.eraser.DestroyErased(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.vault.shows(t, l.id, l.token, privacy.Erased)
}
