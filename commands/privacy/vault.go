package privacy

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
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
	keys   *Sheets
	old    keyFiles
}

// OpenVault makes a vault of what a store keeps; its folder is made for the owner only. A vault that only destroys needs
// no master key.
func OpenVault(keys KeyStore, master MasterKey) (*Vault, error) {
	if err := keys.prepare(); err != nil {
		return nil, err
	}
	sheets, err := NewSheets(keys.sheets(), master)
	if err != nil {
		return nil, err
	}
	return &Vault{master: master, keys: sheets, old: keys.oldFiles()}, nil
}

// remembering is the vault for one who opens many tokens: what is destroyed meanwhile may still be opened.
func (v *Vault) remembering() (*Vault, error) {
	sheets, err := v.keys.remembering()
	return &Vault{master: v.master, keys: sheets, old: v.old}, err
}

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
	_, err := v.destroyAll(ctx, []sealedFor{{orderID: orderID, token: token}})
	return err
}

// sealedFor is a token and its order.
type sealedFor struct{ orderID, token string }

// destroyAll destroys the keys of tokens, a sheet's together; hidden is how many of them wait for a scavenge.
func (v *Vault) destroyAll(ctx context.Context, tokens []sealedFor) (hidden int, err error) {
	var names []string
	for _, t := range tokens {
		name, _, err := parseToken(t.token)
		if err == nil && name != "" {
			if _, _, err = parseName(name); err == nil {
				names = append(names, name)
			}
		} else if err == nil {
			err = v.old.destroy(t.orderID)
		}
		if err != nil && !errors.Is(err, ErrNoKey) {
			return 0, fmt.Errorf("destroy a key of order %s: %w", t.orderID, err)
		}
	}
	if hidden, err = v.keys.Destroy(ctx, names...); err != nil && !errors.Is(err, ErrNoKey) {
		return hidden, fmt.Errorf("destroy keys: %w", err)
	}
	return hidden, nil
}
