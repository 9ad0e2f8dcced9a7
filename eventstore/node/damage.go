package node

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// DamagedError says that the directory of a log lacks a file, or has one that is not what was written.
type DamagedError struct {
	Dir   string
	Cause error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the log is damaged: a file is missing or is not what was written (%v); bring the file back, or restore a backup", e.Cause)
}

func (e *DamagedError) Unwrap() error { return e.Cause }

// errLostManifest says that tables or write-ahead logs are there, and nothing that names them.
var errLostManifest = errors.New("marker.manifest")

// errNoLog says that a directory has no log.
var errNoLog = errors.New("there is no event log")

// explainOpen tells damage from what else keeps the storage engine from opening a log.
func explainOpen(dir string, err error) error {
	var damaged *DamagedLogError
	var system syscall.Errno
	switch {
	case err == nil, errors.As(err, &damaged), errors.Is(err, errNoLog):
		return err
	case strings.Contains(err.Error(), "unknown format major version"):
		return fmt.Errorf("it was written by a newer version of the ledger; run that version: %w", err)
	case errors.As(err, &system) && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return &DamagedError{Dir: dir, Cause: err}
}

// HoldsLog tells whether a directory has files of a log, sound or not.
func HoldsLog(dir string) bool { return holdsLog(vfs.Default, dir) }

// holdsLog tells whether a directory has files of a log. What a process that was killed while it made a
// new log leaves behind has no events and is none.
func holdsLog(files vfs.FS, dir string) bool {
	names, err := files.List(dir)
	if err != nil {
		return false // a directory that is not there yet
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".log") {
			return true
		}
	}
	return false
}

// openPebble opens the storage engine, and makes a new log only where there is none: Pebble would take the
// files of a log whose marker is lost for garbage. It turns Pebble's panics on disks that fail meanwhile into errors.
func openPebble(dir string, opts *pebble.Options) (db *pebble.DB, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case error: // tells a full disk from a damaged one
			err = fmt.Errorf("storage engine: %w", p)
		default:
			err = fmt.Errorf("storage engine: %v", p)
		}
		err = explainOpen(dir, err)
	}()
	opts.ErrorIfNotExists = opts.ReadOnly || holdsLog(opts.FS, dir)
	if err := checkLogTail(opts.FS, dir); err != nil {
		return nil, err
	}
	db, err = pebble.Open(dir, opts)
	if errors.Is(err, pebble.ErrDBDoesNotExist) {
		if holdsLog(opts.FS, dir) {
			return nil, errLostManifest
		}
		return nil, errNoLog
	}
	return db, err
}

// IsDamage tells whether an error is about files that are not what was written.
func IsDamage(err error) bool {
	var damaged *DamagedError
	var damagedLog *DamagedLogError
	return errors.As(err, &damaged) || errors.As(err, &damagedLog) || pebble.IsCorruptionError(err)
}
