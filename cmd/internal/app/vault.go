package app

import (
	"context"
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
	"github.com/order-ledger/order-ledger/eventstore"
)

// OpenVault opens the keys of personal data and the key that signs receipts of erasures. Without a
// configured master key one is made beside them, which protects against nothing but a lost backup of
// the log; production keeps the master key elsewhere.
func OpenVault(s config.Settings) (*privacy.Vault, ed25519.PrivateKey, error) {
	dir := s.KeysDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("key directory: %w", err)
	}
	var secret []byte
	var err error
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
	vault, err := privacy.OpenVault(dir, master)
	return vault, ed25519.NewKeyFromSeed(seed), err
}

// ownSecret reads 32 bytes from a file, which is made when nothing was sealed yet.
func ownSecret(dir, name string) ([]byte, error) {
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if name == "master.key" {
			if held, err := privacy.HoldsKeys(dir); err != nil || held {
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

// writeOnce makes a file for the owner only, durably and never half, and never replaces one.
func writeOnce(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // its other name stays
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

// RestoreKeys merges a copy of the folder of keys into the ledger's, and destroys those again of what the log
// says is erased, also when not all could be merged.
func RestoreKeys(ctx context.Context, s config.Settings, log eventstore.Reader, from string) (done privacy.Merged, erased int, err error) {
	done, mergeErr := privacy.Merge(ctx, from, s.KeysDir())
	vault, err := privacy.OpenVault(s.KeysDir(), nil) // destroying asks no master key
	if err != nil {
		return done, 0, errors.Join(mergeErr, err)
	}
	erased, err = (&privacy.Eraser{Vault: vault, Log: log}).DestroyErased(ctx)
	return done, erased, errors.Join(mergeErr, err)
}
