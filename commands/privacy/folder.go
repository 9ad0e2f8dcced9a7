package privacy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
)

const (
	// halfSuffix ends the name of a sheet that is being written, movedSuffix that of one that is being removed.
	halfSuffix  = ".half"
	movedSuffix = ".moved"
)

// folder keeps sheets as files of a folder, for the owner only. Destroying overwrites a key in place: nothing is left of
// it that could be compacted away later.
type folder struct{ dir string }

func (f folder) path(id string) string { return filepath.Join(f.dir, id) }

// Create implements SheetStore.
func (f folder) Create(_ context.Context, id string, sheet []byte) error {
	path := f.path(id)
	half := path + halfSuffix
	if err := os.Remove(half); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a process that ended meanwhile
		return fmt.Errorf("write sheet of keys: %w", err)
	}
	err := writeNew(half, sheet)
	if err == nil {
		err = os.Link(half, path) // which replaces nothing, as a rename would
	}
	if errors.Is(err, fs.ErrExist) {
		return errors.Join(ErrSheetExists, os.Remove(half))
	}
	if err == nil {
		err = errors.Join(os.Remove(half), syncDir(f.dir))
	}
	if err != nil {
		return fmt.Errorf("write sheet of keys: %w", err)
	}
	return nil
}

// Load implements SheetStore.
func (f folder) Load(_ context.Context, id string) ([]byte, error) {
	sheet, err := os.ReadFile(f.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoSheet
	}
	if err != nil {
		return nil, fmt.Errorf("read sheet of keys: %w", err)
	}
	return sheet, nil
}

// List implements SheetStore.
func (f folder) List(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		entries, err := os.ReadDir(f.dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			yield("", fmt.Errorf("read keys: %w", err))
			return
		}
		last := ""
		for _, entry := range entries {
			id := strings.TrimSuffix(entry.Name(), movedSuffix)
			if !entry.Type().IsRegular() || !isSheetID(id) || id == last {
				continue
			}
			if last = id; !yield(id, nil) {
				return
			}
		}
	}
}

// Destroy implements SheetStore. What reads as destroyed is destroyed again: it may not be on the disk yet.
func (f folder) Destroy(_ context.Context, id string, slots ...int) (hidden bool, err error) {
	marked := make(sheet, sheetBytes)
	marked.destroy(slots)
	var marks []mark
	for _, slot := range slots {
		marks = append(marks, mark{at: int64(headerBytes + slot*slotBytes), with: marked.slot(slot)})
	}
	if err := overwrite(f.path(id), marks...); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return false, ErrNoSheet
}

// Remove implements SheetStore. A file that is half overwritten has a name that is none of a sheet.
func (f folder) Remove(_ context.Context, id string) error {
	path := f.path(id)
	moved := path + movedSuffix
	if err := os.Rename(path, moved); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove sheet of keys: %w", err)
	}
	info, err := os.Stat(moved)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(f.dir)
	}
	if err == nil {
		err = overwrite(moved, mark{with: make([]byte, info.Size())})
	}
	if err == nil {
		err = errors.Join(os.Remove(moved), syncDir(f.dir))
	}
	if err != nil {
		return fmt.Errorf("remove sheet of keys: %w", err)
	}
	return nil
}

// writeNew makes a file, durably but for its name, and never replaces one.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// mark is what is to stand at a place of a file.
type mark struct {
	at   int64
	with []byte
}

// overwrite changes a file in place, and returns when that is on the disk.
func overwrite(path string, marks ...mark) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("destroy key: %w", err)
	}
	for _, m := range marks {
		_, wrote := f.WriteAt(m.with, m.at)
		err = errors.Join(err, wrote)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("destroy key: %w", err)
	}
	return nil
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync key directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync key directory: %w", err)
	}
	return nil
}
