package privacy

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

const (
	// TokenPrefix begins every token.
	TokenPrefix = "sealed:1:"
	// Erased is what stands where sealed data was that nobody can read any more.
	Erased = "[erased]"
	// PlaintextBytesMax bounds what one token holds.
	PlaintextBytesMax = 64 << 10
)

// Vault seals and opens. It is a commands.Sealer, safe for use by many goroutines and processes.
type Vault struct {
	master MasterKey
	keys   Keys
}

// NewVault makes a vault.
func NewVault(master MasterKey, keys Keys) *Vault { return &Vault{master: master, keys: keys} }

// Seal encrypts plaintext under the order's key, which is made when it is the first. The token can be
// opened for the same order only. After an erasure it answers ErrErased.
func (v *Vault) Seal(ctx context.Context, orderID string, plaintext []byte) (string, error) {
	if len(plaintext) > PlaintextBytesMax {
		return "", fmt.Errorf("seal for order %s: %d bytes are more than %d", orderID, len(plaintext), PlaintextBytesMax)
	}
	aead, err := v.key(ctx, orderID)
	if errors.Is(err, ErrNoKey) {
		if err = v.create(ctx, orderID); err == nil || errors.Is(err, ErrKeyExists) {
			aead, err = v.key(ctx, orderID)
		}
	}
	if err != nil {
		return "", fmt.Errorf("seal for order %s: %w", orderID, err)
	}
	sealed, err := aead.Encrypt(plaintext, []byte(orderID))
	if err != nil {
		return "", fmt.Errorf("seal for order %s: %w", orderID, err)
	}
	return TokenPrefix + base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Open decrypts a token. Errors: ErrErased, ErrNoKey, or that the token is none of this order's.
func (v *Vault) Open(ctx context.Context, orderID, token string) ([]byte, error) {
	text, ok := strings.CutPrefix(token, TokenPrefix)
	if !ok {
		return nil, errors.New("open: not a token of sealed data")
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("open for order %s: %w", orderID, err)
	}
	aead, err := v.key(ctx, orderID)
	if err != nil {
		return nil, fmt.Errorf("open for order %s: %w", orderID, err)
	}
	plaintext, err := aead.Decrypt(sealed, []byte(orderID))
	if err != nil {
		return nil, fmt.Errorf("open for order %s: %w", orderID, err)
	}
	return plaintext, nil
}

// Show is what a reader may see of a token: the data, or [erased].
func (v *Vault) Show(ctx context.Context, orderID, token string) (string, error) {
	plaintext, err := v.Open(ctx, orderID, token)
	if errors.Is(err, ErrErased) {
		return Erased, nil
	}
	return string(plaintext), err
}

func (v *Vault) key(ctx context.Context, orderID string) (*subtle.AESGCM, error) {
	wrapped, err := v.keys.Get(ctx, orderID)
	if err != nil {
		return nil, err
	}
	key, err := v.master.Unwrap(ctx, wrapped, []byte(orderID))
	if err != nil {
		return nil, fmt.Errorf("unwrap the order's key: %w", err)
	}
	return subtle.NewAESGCM(key)
}

func (v *Vault) create(ctx context.Context, orderID string) error {
	key := make([]byte, KeyBytes)
	_, _ = rand.Read(key) // never fails
	wrapped, err := v.master.Wrap(ctx, key, []byte(orderID))
	if err != nil {
		return fmt.Errorf("wrap a new key: %w", err)
	}
	return v.keys.Create(ctx, orderID, wrapped)
}
