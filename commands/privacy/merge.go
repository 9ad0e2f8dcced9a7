package privacy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Merged is what a Merge did.
type Merged struct {
	Copied    int `json:"copied"`    // sheets of keys
	Destroyed int `json:"destroyed"` // keys that were destroyed already where the others came from
}

// Merge brings the keys of one store into another. What the target does not have is copied, and a
// key that is destroyed on either side is destroyed in the target: no copy brings a key back.
// Keys are copied wrapped. The ledger may run meanwhile. What is damaged on one side is an error, and stays as
// it is on the other, which may be the last one that is whole; the rest is merged.
func Merge(ctx context.Context, from, to KeyStore) (Merged, error) {
	var done Merged
	if err := to.prepare(); err != nil {
		return done, err
	}
	damaged := done.sheets(ctx, from.sheets(), to.sheets())
	if damaged != nil && !errors.Is(damaged, errDamagedSheet) {
		return done, damaged
	}
	return done, errors.Join(damaged, done.files(from.oldFiles().dir, to.oldFiles().dir))
}

// MergeStreams is Merge for the keys in streams of two logs.
func MergeStreams(ctx context.Context, from, to Log) (Merged, error) {
	var done Merged
	err := done.sheets(ctx, streams{log: from}, streams{log: to})
	return done, err
}

// sheets merges all of a store. An error that is errDamagedSheet tells of all those, and the rest is merged.
func (m *Merged) sheets(ctx context.Context, source, target SheetStore) error {
	var damaged []error
	for id, err := range source.List(ctx) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = m.sheet(ctx, id, source, target)
		}
		if err != nil && !errors.Is(err, errDamagedSheet) {
			return fmt.Errorf("merge keys: %w", err)
		}
		if err != nil {
			damaged = append(damaged, fmt.Errorf("merge keys: %w: %s", err, id))
		}
	}
	return errors.Join(damaged...)
}

// sheet merges one. Errors: errDamagedSheet, when it may be taken up again once it was repaired.
func (m *Merged) sheet(ctx context.Context, id string, source, target SheetStore) error {
	text, err := source.Load(ctx, id)
	if errors.Is(err, ErrNoSheet) {
		return nil
	}
	if err != nil {
		return err
	}
	on := sheet(text)
	there, err := target.Load(ctx, id)
	if errors.Is(err, ErrNoSheet) {
		return m.create(ctx, id, on, target)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(on.check(), sheet(there).check()); err != nil {
		return errDamagedSheet
	}
	if !bytes.Equal(on.header(), sheet(there).header()) { // another sheet of the same name
		return errDamagedSheet
	}
	destroyed, damaged := on.inspect()
	already, damagedThere := sheet(there).inspect()
	gone := slices.DeleteFunc(slices.Clone(destroyed), func(slot int) bool { return slices.Contains(already, slot) })
	if len(gone) > 0 {
		if _, err := target.Destroy(ctx, id, gone...); err != nil {
			return err
		}
		m.Destroyed += len(gone)
	}
	for slot := range slots { // form 2 has no checksums
		if !slices.Contains(destroyed, slot) && !slices.Contains(already, slot) && !bytes.Equal(on.slot(slot), sheet(there).slot(slot)) {
			damaged = append(damaged, slot)
		}
	}
	if len(damaged)+len(damagedThere) > 0 {
		return fmt.Errorf("%w: keys %v where it comes from, %v where it goes", errDamagedSheet, damaged, damagedThere)
	}
	return nil
}

// create copies a sheet, with those of its keys that are damaged: they do not become whole by being left out.
func (m *Merged) create(ctx context.Context, id string, on sheet, target SheetStore) error {
	if err := on.check(); err != nil {
		if len(on) < sheetBytes && (len(on) == 0 || bytes.HasPrefix(on, []byte(sheetMagic2))) {
			return nil // an earlier version was making it: none of its keys is in use
		}
		return err
	}
	if err := target.Create(ctx, id, on); err != nil && !errors.Is(err, ErrSheetExists) {
		return err
	}
	m.Copied++
	if _, damaged := on.inspect(); len(damaged) > 0 {
		return fmt.Errorf("%w: keys %v", errDamagedSheet, damaged)
	}
	return nil
}

// files merges the keys of earlier versions, of which each has a file.
func (m *Merged) files(from, to string) error {
	entries, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = os.MkdirAll(to, 0o700)
	}
	if err != nil {
		return fmt.Errorf("merge keys: %w", err)
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() || filepath.Ext(entry.Name()) != "" {
			continue
		}
		if err := m.file(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())); err != nil {
			return fmt.Errorf("merge keys: %w", err)
		}
	}
	return syncDir(to)
}

func (m *Merged) file(from, to string) error {
	source, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	target, err := os.ReadFile(to)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(source) > 0:
		m.Copied++
		return copyKeys(to, source)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case bytes.HasPrefix(target, []byte(keyFileMagic)) && !bytes.HasPrefix(source, []byte(keyFileMagic)):
		m.Destroyed++
		return overwrite(to, mark{with: make([]byte, len(target))})
	}
	return nil
}

// copyKeys makes a file that is never there in half.
func copyKeys(path string, content []byte) error {
	half := path + halfSuffix
	if err := os.Remove(half); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeNew(half, content); err != nil {
		return err
	}
	return os.Rename(half, path)
}
