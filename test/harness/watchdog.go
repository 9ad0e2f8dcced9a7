package harness

import (
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
)

// watchScript remembers the processes that it is told ("+ pid", and "- pid" when one has ended).
// When its input ends, the test process has: it kills those that are left and removes the directory
// $1. A process that has been waited for is never killed, so its id cannot be somebody else's.
const watchScript = `live=" "
while read -r sign pid; do
  case $sign in
    +) live="$live$pid " ;;
    -) live="${live%% $pid *} ${live#* $pid }" ;;
  esac
done
for pid in $live; do kill -9 "$pid"; done
rm -rf "$1"`

// watchdog ends processes that the test process leaves behind when it panics, times out or is killed.
type watchdog struct {
	mu sync.Mutex
	in io.Writer
}

func startWatchdog(dir string) (*watchdog, error) {
	cmd := exec.Command("sh", "-c", watchScript, "sh", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is not for it
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	return &watchdog{in: in}, nil
}

func (w *watchdog) tell(sign string, pid int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := fmt.Fprintln(w.in, sign, pid)
	return err
}

// start starts a process that the watchdog knows; the caller MUST call ended when it has waited for it.
func (w *watchdog) start(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	return w.tell("+", cmd.Process.Pid)
}

func (w *watchdog) ended(cmd *exec.Cmd) error { return w.tell("-", cmd.Process.Pid) }
