package privacy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/oklog/ulid/v2"

	"github.com/order-ledger/order-ledger/commands"
)

var (
	// ErrNoKey says that an order has no key: nothing of it was ever sealed.
	ErrNoKey = errors.New("the order has no key")
	// ErrErased says that an order's key was destroyed, for good.
	ErrErased = commands.ErrErased
	// ErrKeyExists says that somebody else made the key first.
	ErrKeyExists = errors.New("the order has a key")
)

// Keys keeps wrapped keys, one for each order.
type Keys interface {
	// Create keeps a new key durably, or answers ErrKeyExists, or ErrErased.
	Create(ctx context.Context, orderID string, wrapped []byte) error
	// Get answers ErrNoKey or ErrErased when there is none.
	Get(ctx context.Context, orderID string) ([]byte, error)
	// Destroy makes a key unrecoverable and returns when that is durable. Afterwards no key can be
	// made for the order. Destroying what is destroyed, or never was, is no error.
	Destroy(ctx context.Context, orderID string) error
}

// keyMagic begins every key file; a file without it is of a destroyed key, also when the machine
// stopped while it was being destroyed.
const (
	keyMagic    = "ledger-key-1\n"
	erasedMagic = "erased\n"
)

// FileKeys keeps each key in a file of its own.
type FileKeys struct{ dir string }

// NewFileKeys uses a directory, which is made for the owner only.
func NewFileKeys(dir string) (*FileKeys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("key directory: %w", err)
	}
	return &FileKeys{dir: dir}, nil
}

// path refuses ids that are none of ours: they become names of files.
func (k *FileKeys) path(orderID string) (string, error) {
	id, err := ulid.ParseStrict(orderID)
	if err != nil {
		return "", fmt.Errorf("order id %q: %w", orderID, err)
	}
	return filepath.Join(k.dir, id.String()), nil
}

// Create implements Keys.
func (k *FileKeys) Create(ctx context.Context, orderID string, wrapped []byte) error {
	path, err := k.path(orderID)
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(k.dir, ".new-")
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = temporary.Write(append([]byte(keyMagic), wrapped...))
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	// A link, other than a rename, fails when the name is taken.
	switch err := os.Link(temporary.Name(), path); {
	case errors.Is(err, fs.ErrExist):
		if _, err := k.Get(ctx, orderID); err != nil {
			return err
		}
		return ErrKeyExists
	case err != nil:
		return fmt.Errorf("keep key: %w", err)
	}
	return k.syncDir()
}

// Get implements Keys.
func (k *FileKeys) Get(_ context.Context, orderID string) ([]byte, error) {
	path, err := k.path(orderID)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoKey
	}
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	wrapped, ok := bytes.CutPrefix(text, []byte(keyMagic))
	if !ok {
		return nil, ErrErased
	}
	return wrapped, nil
}

// Destroy implements Keys: the file's bytes are overwritten in place before it is cut short. The file
// stays as the mark that no key may be made again.
func (k *FileKeys) Destroy(_ context.Context, orderID string) error {
	path, err := k.path(orderID)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("destroy key: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt(make([]byte, info.Size()), 0)
	}
	if err == nil {
		err = f.Sync() // zeros reach the disk before the file lets its blocks go
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt([]byte(erasedMagic), 0)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("destroy key: %w", err)
	}
	return k.syncDir()
}

func (k *FileKeys) syncDir() error {
	d, err := os.Open(k.dir)
	if err != nil {
		return fmt.Errorf("sync key directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync key directory: %w", err)
	}
	return nil
}
