package export

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrBusy says that another run writes to the same lake or file.
var ErrBusy = errors.New("another run is writing to it")

// lock keeps other runs off until the file is closed, or the process ends.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrBusy
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return nil
}
