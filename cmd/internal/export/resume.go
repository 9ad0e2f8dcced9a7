package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// state is what an interrupted export goes on from.
type state struct {
	Version int                          `json:"version"` // of the file's format
	Spec    string                       `json:"spec"`
	Commit  uint64                       `json:"commit_position"`
	Prepare uint64                       `json:"prepare_position"`
	Bytes   int64                        `json:"bytes"`
	Rows    int64                        `json:"rows"`
	Hash    []byte                       `json:"hash"`
	Last    []int64                      `json:"last"` // in the order of the dataset
	Sums    map[string]map[string]string `json:"sums"`
	Moved   []Balance                    `json:"moved"`
}

// resumable tells whether an export that breaks off can be gone on with after the last row that was saved: the
// order must be that of the log, and the format one that has no end.
func (w *work) resumable() bool {
	return (w.Format == CSV || w.Format == JSONLines) && (w.What == Journal || w.What == History)
}

// open opens the partial file, and goes on with it when it is of the same rows.
func (w *work) open(commit, prepare uint64) error {
	spec, err := json.Marshal(w.Spec)
	if err != nil {
		return err
	}
	file, err := w.openPartial()
	if err != nil {
		return err
	}
	w.at = state{Version: formatVersion, Spec: string(spec), Commit: commit, Prepare: prepare}
	h := newHash()
	if before, ok := w.before(file); ok {
		if resumed, ok := resumeHash(before.Hash); ok && w.sums.restore(before) == nil {
			w.at, h = before, resumed
		}
	}
	if w.at.Rows == 0 { // what was saved is of other content
		if err = os.Remove(w.saved()); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		err = file.Truncate(w.at.Bytes)
	}
	if err == nil {
		_, err = file.Seek(w.at.Bytes, io.SeekStart)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	w.out = newOutput(file, h, w.at.Bytes)
	return nil
}

// openPartial opens the partial file for this run alone.
func (w *work) openPartial() (*os.File, error) {
	if info, err := os.Stat(w.Out); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder", w.Out)
	}
	file, err := os.OpenFile(w.partial(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = lock(file)
	if err == nil { // another run may have published it meanwhile, and then it is no longer ours to write
		var opened, there os.FileInfo
		opened, err = file.Stat()
		if there, _ = os.Stat(w.partial()); err == nil && (there == nil || !os.SameFile(opened, there)) {
			err = fmt.Errorf("%s: %w", w.partial(), ErrBusy)
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// before is what was saved of the same export.
func (w *work) before(file *os.File) (before state, ok bool) {
	if !w.resumable() {
		return before, false
	}
	text, err := os.ReadFile(w.saved())
	if err != nil || json.Unmarshal(text, &before) != nil {
		return before, false
	}
	info, err := file.Stat()
	return before, err == nil && info.Size() >= before.Bytes && before.Version == formatVersion && before.Spec == w.at.Spec && before.Commit <= w.at.Commit
}

// save makes what is written up to a row durable, and remembers where it ends.
func (w *work) save(r Row) error {
	if err := w.to.flush(); err != nil {
		return err
	}
	at := w.at
	at.Last = nil
	for _, column := range w.sums.order {
		n, err := strconv.ParseInt(string(r[column]), 10, 64)
		if err != nil {
			return fmt.Errorf("column %s: %w", w.set.columns[column].Name, err)
		}
		at.Last = append(at.Last, n)
	}
	at.Sums, at.Moved = w.sums.shown(), w.sums.moves()
	w.out.whenDurable(func(bytes int64, hash []byte) error {
		at.Bytes, at.Hash = bytes, hash
		return writeWhole(w.saved(), at)
	})
	return nil
}

// discard removes what was written of an export that must not be.
func (w *work) discard() error {
	err := os.Remove(w.partial())
	if removed := os.Remove(w.saved()); removed != nil && !errors.Is(removed, os.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}
