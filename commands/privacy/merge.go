package privacy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Merged is what a Merge did.
type Merged struct {
	Copied    int `json:"copied"`    // files with keys
	Destroyed int `json:"destroyed"` // keys that were destroyed already where the others came from
}

// Merge brings the keys of one folder of a vault into another. What the target does not have is copied, and a
// key that is destroyed in either folder is destroyed in the target, by overwriting: no copy brings a key back.
// Keys are copied wrapped. The ledger may run meanwhile. A sheet that is damaged on one side is an error, and stays as
// it is on the other, which may be the last one that is whole; the rest is merged.
func Merge(ctx context.Context, from, to string) (Merged, error) {
	var done Merged
	err := errors.Join(
		done.folder(ctx, sheetsDir(from), sheetsDir(to), mergeSheet),
		done.folder(ctx, filesDir(from), filesDir(to), mergeFile),
	)
	return done, err
}

// errDamagedSheet says that a file is not the sheet that was written.
var errDamagedSheet = errors.New("a sheet of keys is damaged")

// folder merges the files of a folder; merge tells where in the target keys are to be overwritten.
func (m *Merged) folder(ctx context.Context, from, to string, merge func(source, target []byte) ([]span, error)) error {
	entries, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("key directory: %w", err)
	}
	var damaged []error
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !entry.Type().IsRegular() || filepath.Ext(entry.Name()) != "" {
			continue
		}
		source, err := os.ReadFile(filepath.Join(from, entry.Name()))
		if err != nil {
			return fmt.Errorf("read keys: %w", err)
		}
		path := filepath.Join(to, entry.Name())
		target, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			if bytes.HasPrefix(source, []byte(sheetMagic)) && len(source) != sheetBytes || len(source) == 0 {
				continue // it is being made: none of its keys is in use
			}
			if err := copyKeys(path, source); err != nil {
				return fmt.Errorf("copy keys: %w", err)
			}
			m.Copied++
			continue
		}
		if err != nil {
			return fmt.Errorf("read keys: %w", err)
		}
		all, err := merge(source, target)
		if err != nil {
			damaged = append(damaged, fmt.Errorf("merge keys: %w: %s or %s", err, filepath.Join(from, entry.Name()), path))
			continue
		}
		for _, gone := range all {
			if err := overwrite(path, gone.at, gone.size); err != nil {
				return err
			}
			m.Destroyed++
		}
	}
	return errors.Join(append(damaged, syncDir(to))...)
}

// copyKeys makes a file that is never there in half.
func copyKeys(path string, content []byte) error {
	half := path + ".half"
	if err := os.Remove(half); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeNew(half, content); err != nil {
		return err
	}
	return os.Rename(half, path)
}

type span struct {
	at   int64
	size int
}

// mergeSheet finds the slots that are destroyed in the source only. A header never changes: where it
// did, what looks like destroyed keys may be a block that the disk lost.
func mergeSheet(source, target []byte) ([]span, error) {
	if len(source) != sheetBytes || len(target) != sheetBytes ||
		!bytes.HasPrefix(source, []byte(sheetMagic)) || !bytes.Equal(source[:headerBytes], target[:headerBytes]) {
		return nil, errDamagedSheet
	}
	var gone []span
	for at := headerBytes; at < sheetBytes; at += slotBytes {
		if isDestroyed(source[at:at+slotBytes]) && !isDestroyed(target[at:at+slotBytes]) {
			gone = append(gone, span{int64(at), slotBytes})
		}
	}
	return gone, nil
}

func mergeFile(source, target []byte) ([]span, error) {
	if bytes.HasPrefix(target, []byte(keyFileMagic)) && !bytes.HasPrefix(source, []byte(keyFileMagic)) {
		return []span{{0, len(target)}}, nil
	}
	return nil, nil
}
