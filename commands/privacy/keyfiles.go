package privacy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/oklog/ulid/v2"
)

// keyFileMagic begins a file with a key; one without it is of a destroyed key, also when the machine stopped
// while it was being destroyed.
const keyFileMagic = "ledger-key-1\n"

// keyFiles are the keys that tokens of the first form were sealed under: one for each order, wrapped by the
// master key, in a file of its own. They are read and destroyed; new keys are on sheets.
type keyFiles struct{ dir string }

func (k keyFiles) path(orderID string) (string, error) {
	id, err := ulid.ParseStrict(orderID) // it becomes the name of a file
	if err != nil {
		return "", fmt.Errorf("order id %q: %w", orderID, err)
	}
	return filepath.Join(k.dir, id.String()), nil
}

// wrapped is the key of an order. Errors: ErrNoKey, ErrErased.
func (k keyFiles) wrapped(orderID string) ([]byte, error) {
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
	wrapped, ok := bytes.CutPrefix(text, []byte(keyFileMagic))
	if !ok {
		return nil, ErrErased
	}
	return wrapped, nil
}

func (k keyFiles) destroy(orderID string) error {
	path, err := k.path(orderID)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNoKey
	}
	if err != nil {
		return fmt.Errorf("destroy key: %w", err)
	}
	return overwrite(path, mark{with: make([]byte, info.Size())})
}
