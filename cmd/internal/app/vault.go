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
)

// KeyStore is where the keys of personal data are. log is nil where there is none, and then only the folder is looked into.
func KeyStore(s config.Settings, log privacy.Log) (privacy.KeyStore, error) {
	place, err := s.KeyPlace()
	if err != nil || log == nil {
		return privacy.KeysInFolder(s.KeysDir()), err
	}
	return privacy.KeysIn(place, s.KeysDir(), log), nil
}

// OpenVault opens the keys of personal data and the key that signs receipts of erasures. Without a
// configured master key one is made in the data directory, which protects against nothing but a lost backup of
// the log; production keeps the master key elsewhere.
func OpenVault(ctx context.Context, s config.Settings, log privacy.Log) (*privacy.Vault, ed25519.PrivateKey, error) {
	keys, err := KeyStore(s, log)
	if err != nil {
		return nil, nil, err
	}
	dir := s.KeysDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("key directory: %w", err)
	}
	var secret []byte
	if s.MasterKey != "" {
		secret, err = signature.ResolveSecret(s.MasterKey)
	} else {
		secret, err = ownMaster(ctx, dir, keys)
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
	vault, err := privacy.OpenVault(keys, master)
	return vault, ed25519.NewKeyFromSeed(seed), err
}

// errOtherMaster says that streams of the event store have keys, and the master key that wrapped them is not here.
var errOtherMaster = errors.New("another master key wrapped the keys in streams")

// ownMaster reads the master key of the data directory, which is made when there is nothing that another one wrapped.
func ownMaster(ctx context.Context, dir string, keys privacy.KeyStore) ([]byte, error) {
	const name = "master.key"
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		for _, place := range []privacy.Place{privacy.InFolder, privacy.InStreams} {
			held, err := keys.Holds(ctx, place)
			if err != nil {
				return nil, err
			}
			cause := fs.ErrNotExist
			if place == privacy.InStreams {
				cause = errOtherMaster
			}
			if held {
				return nil, fmt.Errorf("%s is not there, and keys (%s) were wrapped with it or with another ledger's: bring it back, or name it by --master-key (%w)",
					path, place, cause)
			}
		}
	}
	return ownSecret(dir, name)
}

// ownSecret reads 32 bytes from a file, which is made when it is not there.
func ownSecret(dir, name string) ([]byte, error) {
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
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

// ErrNoKeys says that there are no keys of personal data.
var ErrNoKeys = errors.New("there are no keys to back up")

// BackUpKeys brings a copy of the keys in a folder up to date. log is nil where there is none. Errors: ErrNoKeys.
func BackUpKeys(ctx context.Context, s config.Settings, log privacy.Log, dir string) (privacy.Merged, error) {
	keys, err := KeyStore(s, log)
	if err != nil {
		return privacy.Merged{}, err
	}
	inFolder, err := keys.Holds(ctx, privacy.InFolder)
	if err != nil {
		return privacy.Merged{}, err
	}
	inStreams, err := keys.Holds(ctx, privacy.InStreams)
	if err != nil {
		return privacy.Merged{}, err
	}
	if !inFolder && !inStreams {
		return privacy.Merged{}, ErrNoKeys
	}
	return privacy.Merge(ctx, keys, privacy.KeysInFolder(dir))
}

// restoringName is a file in the folder of keys that says that a restore of keys has begun.
const restoringName = "restoring"

// RestoreKeys merges a copy of the keys into the ledger's, and destroys those again of what the log
// says is erased, also when not all could be merged. One that is cut off is finished by FinishRestore.
func RestoreKeys(ctx context.Context, s config.Settings, log privacy.Log, from string) (done privacy.Merged, erased int, err error) {
	keys, err := KeyStore(s, log)
	if err != nil {
		return done, 0, err
	}
	if err := os.MkdirAll(s.KeysDir(), 0o700); err != nil {
		return done, 0, fmt.Errorf("key directory: %w", err)
	}
	err = writeOnce(filepath.Join(s.KeysDir(), restoringName), from+"\n")
	if err == nil || errors.Is(err, fs.ErrExist) {
		err = syncDir(s.KeysDir())
	}
	if err != nil {
		return done, 0, fmt.Errorf("begin to restore keys: %w", err)
	}
	done, mergeErr := privacy.Merge(ctx, privacy.KeysInFolder(from), keys)
	erased, err = FinishRestore(ctx, s, log)
	return done, erased, errors.Join(mergeErr, err)
}

// FinishRestore destroys the keys of what the log says is erased, where a restore of keys has begun and was not finished.
// It tells of how many orders.
func FinishRestore(ctx context.Context, s config.Settings, log privacy.Log) (erased int, err error) {
	begun := filepath.Join(s.KeysDir(), restoringName)
	if _, err := os.Stat(begun); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if erased, err = DestroyErased(ctx, s, log); err != nil {
		return erased, err
	}
	return erased, errors.Join(os.Remove(begun), syncDir(s.KeysDir()))
}

// DestroyErased destroys the keys of all orders that the log says are erased, and tells of how many.
func DestroyErased(ctx context.Context, s config.Settings, log privacy.Log) (int, error) {
	keys, err := KeyStore(s, log)
	if err != nil {
		return 0, err
	}
	vault, err := privacy.OpenVault(keys, nil) // destroying asks no master key
	if err != nil {
		return 0, err
	}
	return (&privacy.Eraser{Vault: vault, Log: log}).DestroyErased(ctx)
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
