package node

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// lockOffset is the one byte that is locked: far behind the text, which others must be able to read.
const lockOffset = 1 << 30

// tryLockFile takes an exclusive lock that lives as long as the open file.
func tryLockFile(f *os.File) (bool, error) {
	return lockByte(f, windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY)
}

// isLocked tries a shared lock, which only a holder of the exclusive one prevents.
func isLocked(f *os.File) (bool, error) {
	got, err := lockByte(f, windows.LOCKFILE_FAIL_IMMEDIATELY)
	if err != nil {
		return false, fmt.Errorf("test lock %s: %w", f.Name(), err)
	}
	return !got, nil
}

func lockByte(f *os.File, flags uint32) (bool, error) {
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{Offset: lockOffset})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}
