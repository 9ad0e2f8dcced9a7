package export

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrLakeBusy says that another run writes to the lake.
var ErrLakeBusy = errors.New("another run is writing to this lake")

// lockLake keeps other runs off a lake, until unlock is called or the process ends.
func lockLake(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(manifestsOf(dir), ".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrLakeBusy
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { _ = f.Close() }, nil
}
