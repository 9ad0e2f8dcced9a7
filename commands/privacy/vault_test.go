package privacy_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/order-ledger/order-ledger/commands/privacy"
)

// TestVault holds for every master key, one in memory and one that a service keeps to itself, and every place of keys.
func TestVault(t *testing.T) {
	t.Parallel()
	local, err := privacy.NewLocalMaster(bytes.Repeat([]byte{7}, privacy.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	for name, master := range map[string]privacy.MasterKey{"Local": local, "KMS": newKMS(t)} {
		everywhere(t, name, func(t *testing.T, _ string, keys privacy.KeyStore) {
			open := func() *privacy.Vault {
				v, err := privacy.OpenVault(keys, master)
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
			v, id := open(), newID()
			one, err := v.Seal(t.Context(), id, []byte(buyer))
			if err != nil {
				t.Fatal(err)
			}
			two, err := v.Seal(t.Context(), id, []byte(buyer))
			if err != nil {
				t.Fatal(err)
			}
			if one == two || strings.Contains(one, "ada") {
				t.Errorf("tokens %q and %q", one, two)
			}
			v = open()
			for _, token := range []string{one, two} {
				if text, err := v.Show(t.Context(), id, token); err != nil || text != buyer {
					t.Errorf("opened %q, %v", text, err)
				}
			}
			if text, err := v.Open(t.Context(), newID(), one); !errors.Is(err, privacy.ErrNoToken) {
				t.Errorf("another order opens the token: %q, %v", text, err)
			}
			if err := v.Destroy(t.Context(), id, one); err != nil {
				t.Fatal(err)
			}
			for _, v := range []*privacy.Vault{v, open()} {
				if text, err := v.Show(t.Context(), id, one); err != nil || text != privacy.Erased {
					t.Errorf("destroyed, and shows %q, %v", text, err)
				}
				if text, err := v.Show(t.Context(), id, two); err != nil || text != buyer {
					t.Errorf("its neighbour shows %q, %v", text, err)
				}
			}
			elsewhere, err := privacy.OpenVault(privacy.KeysInFolder(t.TempDir()), master)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := elsewhere.Open(t.Context(), id, two); !errors.Is(err, privacy.ErrNoKey) {
				t.Errorf("where the key is not: %v", err)
			}
		})
	}
}

func TestVault_OtherMasterKeyOpensNothing(t *testing.T) {
	t.Parallel()
	v, id := newVault(t), newID()
	token, err := v.Seal(t.Context(), id, []byte(buyer))
	if err != nil {
		t.Fatal(err)
	}
	v.master[0] ^= 1
	v.open(t)
	if text, err := v.Open(t.Context(), id, token); err == nil {
		t.Errorf("opened %q", text)
	}
}

// TestVault_KMSAway: what the service has not unwrapped yet cannot be opened without it, and is there again with
// it; keys are destroyed without asking it.
func TestVault_KMSAway(t *testing.T) {
	t.Parallel()
	master, dir, id := newKMS(t), t.TempDir(), newID()
	open := func() *privacy.Vault {
		v, err := privacy.OpenVault(privacy.KeysInFolder(dir), master)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	token, err := open().Seal(t.Context(), id, []byte(buyer))
	if err != nil {
		t.Fatal(err)
	}
	asked := master.calls.Load()
	if asked != 1 {
		t.Errorf("%d calls to the service for the first seal, want one for many keys", asked)
	}
	master.away.Store(true)
	v := open()
	if text, err := v.Show(t.Context(), id, token); err == nil {
		t.Errorf("opened %q without the service", text)
	}
	if token, err := v.Seal(t.Context(), id, []byte(buyer)); err == nil {
		t.Errorf("sealed %q without the service", token)
	}
	master.away.Store(false)
	if text, err := v.Show(t.Context(), id, token); err != nil || text != buyer {
		t.Errorf("opened %q, %v when the service was back", text, err)
	}
	master.away.Store(true)
	if err := open().Destroy(t.Context(), id, token); err != nil {
		t.Errorf("destroy without the service: %v", err)
	}
}

// TestVault_ManyAtOnce: no key is handed out twice, by two processes neither, and whatever was sealed can be opened by
// one that begins anew.
func TestVault_ManyAtOnce(t *testing.T) {
	t.Parallel()
	everywhere(t, "", func(t *testing.T, dir string, keys privacy.KeyStore) {
		const callers, each = 16, 200 // more than two sheets
		processes := []*vault{newVaultOf(t, dir, keys), {dir: dir, keys: keys}}
		processes[1].master = processes[0].master
		processes[1].open(t)
		var mu sync.Mutex
		tokens, ids, taken := map[string]string{}, make([]string, callers), map[string]bool{}
		var group sync.WaitGroup
		for i := range callers {
			ids[i] = newID()
			group.Go(func() {
				for range each {
					token, err := processes[i%2].Seal(t.Context(), ids[i], []byte(buyer))
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					tokens[token] = ids[i]
					taken[strings.Split(token, ":")[2]] = true
					mu.Unlock()
				}
			})
		}
		group.Wait()
		if len(taken) != callers*each {
			t.Errorf("%d keys for %d seals", len(taken), callers*each)
		}
		processes[0].open(t)
		looked := 0
		for token, id := range tokens {
			if processes[0].shows(t, id, token, buyer); looked == 200 {
				break
			}
			looked++
		}
	})
}

// TestVault_NoRoomForKeys: when keys cannot be written, nothing is sealed; later it is.
func TestVault_NoRoomForKeys(t *testing.T) {
	t.Parallel()
	v, id := newVault(t), newID()
	sheets := filepath.Join(v.dir, "sheets")
	if err := os.Rename(sheets, sheets+".away"); err != nil {
		t.Fatal(err)
	}
	if token, err := v.Seal(t.Context(), id, []byte(buyer)); err == nil {
		t.Errorf("sealed %q under a key that is not kept", token)
	}
	if err := os.Rename(sheets+".away", sheets); err != nil {
		t.Fatal(err)
	}
	token, err := v.Seal(t.Context(), id, []byte(buyer))
	if err != nil {
		t.Fatal(err)
	}
	v.open(t)
	v.shows(t, id, token, buyer)
}

// TestVault_DestroyedKeyIsGone: no byte of the key is left in the folder; a machine that stopped halfway leaves
// a key that is destroyed, and nothing else is touched.
func TestVault_DestroyedKeyIsGone(t *testing.T) {
	t.Parallel()
	v, id := newVault(t), newID()
	token, err := v.Seal(t.Context(), id, []byte(buyer))
	if err != nil {
		t.Fatal(err)
	}
	before := contents(t, v.dir)
	if err := v.Destroy(t.Context(), id, token); err != nil {
		t.Fatal(err)
	}
	after := contents(t, v.dir)
	if len(before) != len(after) {
		t.Fatalf("%d bytes of keys became %d", len(before), len(after))
	}
	first, last := -1, -1
	for i := range before {
		if before[i] != after[i] {
			if last = i; first < 0 {
				first = i
			}
		}
	}
	if first < 0 || last-first >= 64 || !bytes.Contains(after[first:last+1], []byte("this key was destroyed")) {
		t.Errorf("bytes %d to %d changed, want the 64 of the key", first, last)
	}
	v.shows(t, id, token, privacy.Erased)
}

// contents are the bytes of all files below a folder.
func contents(t *testing.T, dir string) (all []byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		all = append(all, content...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What an earlier version wrote: an order's key in a file of its own, wrapped by a master key of zeros, and a token.
const (
	oldID    = "01M8K95NACJ2K81W3XEWHZYATX"
	oldText  = `{"email":"ada.byron@example.com"}`
	oldToken = "sealed:1:fdh17zXqDZYnIlzeOPxYTCZKqKHhFYelMWaB2l5o5oxiLu7Vmx_AqU447NWi3unEaV82H0SDY9dkfijMrQ"
	oldFile  = "bGVkZ2VyLWtleS0xCnm3gwHCA3hvdUkJ41pRc/l/n1OQNvhI4HxDklBEZCgQHg7LlZkrrpUdh1PdNU3UwHJAIHsvVlnkQtmf1A=="
)

// TestVault_KeysOfEarlierVersions are read, and destroyed.
func TestVault_KeysOfEarlierVersions(t *testing.T) {
	t.Parallel()
	v := &vault{dir: t.TempDir(), master: make([]byte, privacy.KeyBytes)}
	v.open(t)
	if _, err := v.Open(t.Context(), oldID, oldToken); !errors.Is(err, privacy.ErrNoKey) {
		t.Errorf("without its key: %v", err)
	}
	content, err := base64.StdEncoding.DecodeString(oldFile)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(v.dir, "orders", oldID)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
		t.Fatal(err)
	}
	v.shows(t, oldID, oldToken, oldText)
	if err := v.Destroy(t.Context(), oldID, oldToken); err != nil {
		t.Fatal(err)
	}
	v.shows(t, oldID, oldToken, privacy.Erased)
	if left := bytes.Trim(contents(t, filepath.Dir(path)), "\x00"); len(left) > 0 {
		t.Errorf("%d bytes of the key are left", len(left))
	}
}
