package privacy

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

// MasterKey wraps the keys of orders. A KMS may stand behind it. About names what is wrapped; the
// same must be given to unwrap it.
type MasterKey interface {
	Wrap(ctx context.Context, key, about []byte) ([]byte, error)
	Unwrap(ctx context.Context, wrapped, about []byte) ([]byte, error)
}

// KeyBytes is the size of every key here: AES-256.
const KeyBytes = 32

// LocalMaster is a MasterKey in the memory of this process.
type LocalMaster struct{ aead *subtle.AESGCM }

// NewLocalMaster takes a key of 32 bytes, raw or in base64 with or without padding.
func NewLocalMaster(secret []byte) (*LocalMaster, error) {
	if len(secret) != KeyBytes {
		text := strings.TrimRight(strings.TrimSpace(string(secret)), "=")
		decoded, err := base64.RawStdEncoding.DecodeString(text)
		if err != nil || len(decoded) != KeyBytes {
			return nil, errors.New("the master key is not 32 bytes in base64")
		}
		secret = decoded
	}
	aead, err := subtle.NewAESGCM(secret)
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	return &LocalMaster{aead: aead}, nil
}

// Wrap encrypts a key.
func (m *LocalMaster) Wrap(_ context.Context, key, about []byte) ([]byte, error) {
	return m.aead.Encrypt(key, about)
}

// Unwrap decrypts a key.
func (m *LocalMaster) Unwrap(_ context.Context, wrapped, about []byte) ([]byte, error) {
	return m.aead.Decrypt(wrapped, about)
}
