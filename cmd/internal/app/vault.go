package app

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/commands/gateways/signature"
	"github.com/order-ledger/order-ledger/commands/privacy"
)

// OpenVault opens the keys of personal data and the key that signs receipts of erasures. Without a
// configured master key one is made beside them, which protects against nothing but a lost backup of
// the log; production keeps the master key elsewhere.
func OpenVault(s config.Settings) (*privacy.Vault, ed25519.PrivateKey, error) {
	dir := s.KeysDir()
	keys, err := privacy.NewFileKeys(filepath.Join(dir, "orders"))
	if err != nil {
		return nil, nil, err
	}
	var secret []byte
	if s.MasterKey != "" {
		secret, err = signature.ResolveSecret(s.MasterKey)
	} else {
		secret, err = ownSecret(dir, "master.key")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("master key: %w", err)
	}
	master, err := privacy.NewLocalMaster(secret)
	if err != nil {
		return nil, nil, err
	}
	seed, err := ownSecret(dir, "receipt.key")
	if err != nil {
		return nil, nil, fmt.Errorf("key of receipts: %w", err)
	}
	return privacy.NewVault(master, keys), ed25519.NewKeyFromSeed(seed), nil
}

// ownSecret reads 32 bytes from a file, which is made when nothing was sealed yet.
func ownSecret(dir, name string) ([]byte, error) {
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if name == "master.key" {
			if sealed, err := os.ReadDir(filepath.Join(dir, "orders")); err != nil || len(sealed) > 0 {
				return nil, fmt.Errorf("%s is gone, and keys were wrapped with it: bring it back (%w)", path, errors.Join(err, fs.ErrNotExist))
			}
		}
		secret := make([]byte, privacy.KeyBytes)
		_, _ = rand.Read(secret) // never fails
		return secret, writeOnce(path, base64.StdEncoding.EncodeToString(secret)+"\n")
	}
	if err != nil {
		return nil, err
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) != privacy.KeyBytes {
		return nil, fmt.Errorf("%s is not %d bytes in base64", path, privacy.KeyBytes)
	}
	return secret, nil
}

// writeOnce makes a file for the owner only, durably, and never replaces one.
func writeOnce(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}
