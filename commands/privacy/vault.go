package privacy

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

const (
	// tokenPrefix begins every token; its form follows: of form 1 the rest was sealed under the order's file of a
	// key, of form 2 it begins with the name of a key.
	tokenPrefix = "sealed:"
	form1       = tokenPrefix + "1:"
	form2       = tokenPrefix + "2:"
	// Erased is what stands where sealed data was that nobody can read any more.
	Erased = "[erased]"
	// PlaintextBytesMax bounds what one token holds.
	PlaintextBytesMax = 64 << 10
)

// ErrNoToken says that a text is no token, or none of the order.
var ErrNoToken = errors.New("it is no token of sealed data of the order")

// Vault seals and opens. It is a commands.PersonalData, safe for use by many goroutines and processes.
type Vault struct {
	master MasterKey
	keys   Keys
	old    keyFiles
}

// OpenVault makes a vault that keeps its keys in a folder, which is made for the owner only.
func OpenVault(dir string, master MasterKey) (*Vault, error) {
	sheets, err := NewSheets(sheetsDir(dir), master)
	if err != nil {
		return nil, err
	}
	return &Vault{master: master, keys: sheets, old: keyFiles{dir: filesDir(dir)}}, nil
}

// HoldsKeys tells whether a folder of a vault has keys, which need the master key that wrapped them.
func HoldsKeys(dir string) (bool, error) {
	for _, folder := range []string{sheetsDir(dir), filesDir(dir)} {
		entries, err := os.ReadDir(folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || len(entries) > 0 {
			return true, err
		}
	}
	return false, nil
}

func sheetsDir(dir string) string { return filepath.Join(dir, "sheets") }
func filesDir(dir string) string  { return filepath.Join(dir, "orders") }

// Seal encrypts plaintext under a key of its own. The token can be opened for the same order only.
func (v *Vault) Seal(ctx context.Context, orderID string, plaintext []byte) (string, error) {
	if len(plaintext) > PlaintextBytesMax {
		return "", fmt.Errorf("seal for order %s: %d bytes are more than %d", orderID, len(plaintext), PlaintextBytesMax)
	}
	name, key, err := v.keys.Take(ctx)
	if err != nil {
		return "", fmt.Errorf("seal for order %s: %w", orderID, err)
	}
	aead, err := subtle.NewAESGCM(key)
	if err != nil {
		return "", fmt.Errorf("seal for order %s: %w", orderID, err)
	}
	sealed, err := aead.Encrypt(plaintext, []byte(orderID))
	if err != nil {
		return "", fmt.Errorf("seal for order %s: %w", orderID, err)
	}
	return form2 + name + ":" + base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Open decrypts a token. Errors: ErrErased, ErrNoKey, ErrNoToken.
func (v *Vault) Open(ctx context.Context, orderID, token string) ([]byte, error) {
	name, sealed, err := parseToken(token)
	if err != nil {
		return nil, fmt.Errorf("open for order %s: %w", orderID, err)
	}
	key, err := v.key(ctx, orderID, name)
	if err != nil {
		return nil, fmt.Errorf("open for order %s: %w", orderID, err)
	}
	aead, err := subtle.NewAESGCM(key)
	if err != nil {
		return nil, fmt.Errorf("open for order %s: %w", orderID, err)
	}
	plaintext, err := aead.Decrypt(sealed, []byte(orderID))
	if err != nil {
		return nil, fmt.Errorf("open for order %s: %w: %w", orderID, ErrNoToken, err)
	}
	return plaintext, nil
}

// parseToken splits a token; the name of the key is empty when it is the order's file.
func parseToken(token string) (name string, sealed []byte, err error) {
	text, ok := strings.CutPrefix(token, form1)
	if !ok {
		if text, ok = strings.CutPrefix(token, form2); ok {
			name, text, ok = strings.Cut(text, ":")
			ok = ok && name != ""
		}
	}
	if ok {
		if sealed, err = base64.RawURLEncoding.DecodeString(text); err == nil {
			return name, sealed, nil
		}
	}
	return "", nil, ErrNoToken
}

func (v *Vault) key(ctx context.Context, orderID, name string) ([]byte, error) {
	if name != "" {
		return v.keys.Key(ctx, name)
	}
	wrapped, err := v.old.wrapped(orderID)
	if err != nil {
		return nil, err
	}
	key, err := v.master.Unwrap(ctx, wrapped, []byte(orderID))
	if err != nil {
		return nil, fmt.Errorf("unwrap the order's key: %w", err)
	}
	return key, nil
}

// Show is what a reader may see of a token: the data, or [erased].
func (v *Vault) Show(ctx context.Context, orderID, token string) (string, error) {
	plaintext, err := v.Open(ctx, orderID, token)
	if errors.Is(err, ErrErased) {
		return Erased, nil
	}
	return string(plaintext), err
}

// Destroy destroys the key of a token, durably, without asking the master key. A key that is not here is not
// missed.
func (v *Vault) Destroy(ctx context.Context, orderID, token string) error {
	name, _, err := parseToken(token)
	switch {
	case err != nil:
	case name != "":
		err = v.keys.Destroy(ctx, name)
	default:
		err = v.old.destroy(orderID)
	}
	if err != nil && !errors.Is(err, ErrNoKey) {
		return fmt.Errorf("destroy a key of order %s: %w", orderID, err)
	}
	return nil
}
