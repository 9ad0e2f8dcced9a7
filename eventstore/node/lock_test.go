package node_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/eventstore/node"
)

// TestOpen_RefusesLockedDirectory: a second process is told who holds the log and where to reach it.
func TestOpen_RefusesLockedDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, _, held, err := node.ReadLock(dir); held || err != nil {
		t.Fatalf("lock of a new directory: held %t, %v", held, err)
	}
	cmd, stdout, stdin := startChild(t, dir, "hold")
	if line, err := stdout.ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("child says %q, %v", line, err)
	}
	_, err := node.Open(node.Options{Dir: dir})
	var locked *node.LockedError
	if !errors.As(err, &locked) || locked.PID != cmd.Process.Pid || locked.Info != "http://127.0.0.1:8080" {
		t.Fatalf("open of a held log: %v", err)
	}
	if want := fmt.Sprintf("process %d", cmd.Process.Pid); !strings.Contains(err.Error(), want) {
		t.Errorf("%q does not name %q", err, want)
	}
	pid, info, held, err := node.ReadLock(dir)
	if pid != cmd.Process.Pid || info != "http://127.0.0.1:8080" || !held || err != nil {
		t.Errorf("lock: pid %d, info %q, held %t, %v", pid, info, held, err)
	}

	// The lock ends with its process, however that ends.
	if err := errors.Join(cmd.Process.Kill(), stdin.Close()); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if _, _, held, err := node.ReadLock(dir); held || err != nil {
		t.Errorf("lock of a killed process: held %t, %v", held, err)
	}
	n := open(t, node.Options{Dir: dir})
	pid, _, held, err = node.ReadLock(dir)
	if pid != os.Getpid() || !held || err != nil {
		t.Errorf("own lock: pid %d, held %t, %v", pid, held, err)
	}
	if err := n.SetLockInfo("two\nlines"); err == nil {
		t.Error("two lines of lock info")
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, held, err := node.ReadLock(dir); held || err != nil {
		t.Errorf("lock after Close: held %t, %v", held, err)
	}
}

// TestOpen_TwiceInOneProcess: a second node in the same process is refused, too.
func TestOpen_TwiceInOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, node.Options{Dir: dir})
	var locked *node.LockedError
	if _, err := node.Open(node.Options{Dir: dir}); !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("second open: %v", err)
	}
}
