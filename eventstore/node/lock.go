package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	lockFileName     = "node.lock"
	maxLockInfoBytes = 1 << 10
)

// LockedError says that another node holds the directory.
type LockedError struct {
	Dir string
	// PID of the process that holds the directory; 0 when it has not written it yet.
	PID int
	// Info is what that process published with SetLockInfo.
	Info string
}

func (e *LockedError) Error() string {
	holder := "another process"
	if e.PID != 0 {
		holder = fmt.Sprintf("process %d", e.PID)
	}
	if e.Info != "" {
		holder += " (" + e.Info + ")"
	}
	return fmt.Sprintf("event log %s is in use by %s", e.Dir, holder)
}

// dirLock is the lock on a node's directory. The operating system drops it with the process, however
// that ends; the text in the file is only meaningful while the lock is held.
type dirLock struct {
	file *os.File
}

// acquireLock takes the lock of a directory or returns a *LockedError.
func acquireLock(dir string) (*dirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFileName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	held, err := tryLockFile(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
	}
	if !held {
		pid, info := readLockFile(f)
		return nil, errors.Join(&LockedError{Dir: dir, PID: pid, Info: info}, f.Close())
	}
	l := &dirLock{file: f}
	if err := l.setInfo(""); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

// setInfo publishes this process and a line of text.
func (l *dirLock) setInfo(info string) error {
	if len(info) > maxLockInfoBytes || strings.ContainsAny(info, "\r\n") {
		return fmt.Errorf("lock info must be one line of at most %d bytes", maxLockInfoBytes)
	}
	text := fmt.Sprintf("%d\n%s\n", os.Getpid(), info)
	if _, err := l.file.WriteAt([]byte(text), 0); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	if err := l.file.Truncate(int64(len(text))); err != nil {
		return fmt.Errorf("cut lock file: %w", err)
	}
	return nil
}

// release empties the file and drops the lock.
func (l *dirLock) release() error {
	if l == nil {
		return nil
	}
	return errors.Join(l.file.Truncate(0), l.file.Close())
}

// ReadLock tells who holds a node's directory, without disturbing the holder. held is false when
// nobody does, the directory does not exist included.
func ReadLock(dir string) (pid int, info string, held bool, err error) {
	f, err := os.Open(filepath.Join(dir, lockFileName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, "", false, nil
	}
	if err != nil {
		return 0, "", false, fmt.Errorf("open lock file: %w", err)
	}
	defer func() { _ = f.Close() }()
	held, err = isLocked(f)
	if err != nil || !held {
		return 0, "", false, err
	}
	pid, info = readLockFile(f)
	return pid, info, true, nil
}

func readLockFile(f *os.File) (pid int, info string) {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, maxLockInfoBytes+64))
	if err != nil {
		return 0, ""
	}
	first, rest, _ := strings.Cut(string(b), "\n")
	pid, err = strconv.Atoi(first)
	if err != nil {
		return 0, ""
	}
	info, _, _ = strings.Cut(rest, "\n")
	return pid, info
}
