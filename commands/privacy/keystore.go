package privacy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Place is where sheets of keys are kept.
type Place string

// The places.
const (
	// InFolder is a folder of this machine, or one that several share.
	InFolder Place = "folder"
	// InStreams is the event store.
	InStreams Place = "streams"
)

// KeyStore is all that a vault keeps: the keys are looked for wherever they may be.
type KeyStore struct {
	dir string
	log Log // nil without streams
	// first is where new sheets go.
	first Place
}

// KeysInFolder keeps keys in a folder only.
func KeysInFolder(dir string) KeyStore { return KeyStore{dir: dir, first: InFolder} }

// KeysIn keeps new keys in a place, and finds those in a folder and in streams of a log.
func KeysIn(first Place, dir string, log Log) KeyStore {
	return KeyStore{dir: dir, log: log, first: first}
}

func (k KeyStore) folder() folder     { return folder{dir: filepath.Join(k.dir, "sheets")} }
func (k KeyStore) oldFiles() keyFiles { return keyFiles{dir: filepath.Join(k.dir, "orders")} }

// in is the store of one place; nil for streams without a log.
func (k KeyStore) in(place Place) SheetStore {
	switch {
	case place == InFolder:
		return k.folder()
	case k.log != nil:
		return streams{log: k.log}
	}
	return nil
}

func (k KeyStore) other() Place {
	if k.first == InStreams {
		return InFolder
	}
	return InStreams
}

// sheets are all places as one.
func (k KeyStore) sheets() SheetStore {
	second := k.in(k.other())
	if second == nil {
		return k.in(k.first)
	}
	return places{k.in(k.first), second}
}

// prepare makes the folder, for the owner only. Its name, what stands beside it, such as a master key that was just
// made, and the name of the vault are to survive a power failure as the keys do.
func (k KeyStore) prepare() error {
	if err := os.MkdirAll(k.folder().dir, 0o700); err != nil {
		return fmt.Errorf("key directory: %w", err)
	}
	return errors.Join(syncDir(k.dir), syncDir(filepath.Dir(k.dir)))
}

// Elsewhere is the place where new keys are not made, and whether some are there all the same.
func (k KeyStore) Elsewhere(ctx context.Context) (Place, bool, error) {
	held, err := k.Holds(ctx, k.other())
	return k.other(), held, err
}

// Holds tells whether a place has keys, which need the master key that wrapped them.
func (k KeyStore) Holds(ctx context.Context, place Place) (bool, error) {
	store := k.in(place)
	if store == nil {
		return false, nil
	}
	for id, err := range store.List(ctx) {
		if err != nil {
			return false, err
		}
		if place == InFolder { // sound or not
			return true, nil
		}
		if _, err := store.Load(ctx, id); !errors.Is(err, ErrNoSheet) {
			return err == nil, err
		}
	}
	if place != InFolder {
		return false, nil
	}
	entries, err := os.ReadDir(k.oldFiles().dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("read keys: %w", err)
	}
	return len(entries) > 0, nil
}
