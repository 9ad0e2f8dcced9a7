package export

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// lakeOpenMost bounds the files that are written at once: recording times hardly go back.
const lakeOpenMost = 3

// lakeWriter writes the files of one run.
type lakeWriter struct {
	job        *LakeJob
	run        LakeRun
	last       LakeManifest // what was committed last
	lastDigest string
	manifest   *LakeManifest // what is being written; nil is nothing
	open       []*lakePart
}

// lakePart is a file that is being written.
type lakePart struct {
	LakeFile

	file *os.File
	hash hash.Hash
	rows *parquetRows
}

// add takes the next event of the feed.
func (w *lakeWriter) add(line []byte) error {
	var e lakeEvent
	err := json.Unmarshal(line, &e)
	recorded, timeErr := time.Parse(time.RFC3339Nano, e.RecordedAt)
	if err = errors.Join(err, timeErr); err != nil || e.Cursor == "" || e.ID == "" {
		return fmt.Errorf("the feed says what is no event: %.200q (%w)", line, err)
	}
	if w.manifest == nil {
		w.manifest = w.begin()
	}
	m := w.manifest
	part, err := w.part(recorded.UTC().Format(time.DateOnly))
	if err != nil {
		return err
	}
	if err := part.rows.row(e.row(line)); err != nil {
		return err
	}
	if part.First == "" {
		part.First = e.Position
	}
	part.Last, part.Events = e.Position, part.Events+1
	if m.First == "" {
		m.First, m.LogMoved = e.Position, w.last.Number > 0 && !follows(w.last.Last, e.Position)
	}
	m.Last, m.Cursor, m.LastEvent, m.Events = e.Position, e.Cursor, e.ID, m.Events+1
	if n := w.run.Events + m.Events; w.job.Said != nil && n%SayEvery == 0 {
		w.job.Said(n)
	}
	if m.Events >= w.job.PartEvents {
		return w.commit()
	}
	return nil
}

// part is the file of a day.
func (w *lakeWriter) part(day string) (*lakePart, error) {
	for _, p := range w.open {
		if p.Day == day {
			return p, nil
		}
	}
	if len(w.open) == lakeOpenMost {
		if err := w.finish(0); err != nil {
			return nil, err
		}
	}
	number := len(w.manifest.Files) + len(w.open) + 1
	path := fmt.Sprintf("day=%s/part-%06d-%d.parquet", day, w.manifest.Number, number)
	full := filepath.Join(w.job.Dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(full+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	p := &lakePart{LakeFile: LakeFile{Path: path, Day: day, number: number}, file: file, hash: sha256.New()}
	p.rows = newParquet(io.MultiWriter(file, p.hash), lakeColumns(), false)
	w.open = append(w.open, p)
	return p, nil
}

// finish makes a file durable under its name.
func (w *lakeWriter) finish(i int) error {
	p := w.open[i]
	w.open = slices.Delete(w.open, i, i+1)
	full := filepath.Join(w.job.Dir, filepath.FromSlash(p.Path))
	err := p.rows.close()
	if err == nil {
		p.Bytes, err = p.file.Seek(0, io.SeekCurrent)
	}
	if err = errors.Join(err, p.file.Sync(), p.file.Close()); err == nil {
		err = os.Rename(full+".new", full)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", p.Path, err)
	}
	p.SHA256 = hex.EncodeToString(p.hash.Sum(nil))
	w.manifest.Files = append(w.manifest.Files, p.LakeFile)
	return errors.Join(syncFolder(filepath.Dir(full)), syncFolder(w.job.Dir))
}

// abandon closes what was not committed; the next run removes it.
func (w *lakeWriter) abandon() {
	for _, p := range w.open {
		_ = p.file.Close()
	}
}
