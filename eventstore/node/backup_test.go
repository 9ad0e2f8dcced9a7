package node_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
)

// TestNode_Backup copies a log while it is written to; the copy is whole, holds what was acknowledged
// before, and is a log of its own.
func TestNode_Backup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := open(t, node.Options{Dir: filepath.Join(dir, "log")})
	var acks acked
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- write(n, 0, 4, 1<<20, stop, &acks) }()
	waitFor(t, func() bool { return len(acks.snapshot()) > 50 })
	before := acks.snapshot()
	backup := filepath.Join(dir, "backup")
	if err := n.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	entries := 0
	err := filepath.WalkDir(backup, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may read %s: %s", path, info.Mode())
		}
		entries++
		return err
	})
	if err != nil || entries < 3 {
		t.Errorf("%d entries of the copy: %v", entries, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("beside the log and the copy: %v, %v", left, err)
	}
	report, err := node.Verify(t.Context(), backup, nil)
	if err != nil || !report.OK() {
		t.Fatalf("verify backup: %+v, %v", report, err)
	}
	restored := open(t, node.Options{Dir: backup})
	events, err := readEverything(restored)
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, events)
	checkAcked(t, events, before)
	if _, err := restored.Append(t.Context(), "s", eventstore.Any, newEvent("A")); err != nil {
		t.Errorf("append to the restored log: %v", err)
	}
	if err := n.Backup(t.Context(), backup); err == nil {
		t.Error("a second backup overwrote the first")
	}
}

// TestNode_BackupThatFindsNoRoom: a backup that cannot be written fails, and the log goes on as if nothing had been.
func TestNode_BackupThatFindsNoRoom(t *testing.T) {
	t.Parallel()
	for _, file := range []string{".log", ".sst", "MANIFEST-"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			mem := vfs.NewMem()
			if err := mem.MkdirAll("backups", 0o700); err != nil {
				t.Fatal(err)
			}
			disk := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				switch {
				case op.Kind == errorfs.OpLink:
					return syscall.EXDEV
				case op.Kind == errorfs.OpFileWrite && strings.HasPrefix(op.Path, "backups/") && strings.Contains(op.Path, file):
					return syscall.ENOSPC
				}
				return nil
			}))
			opts := node.Options{Dir: "log", FS: disk}
			n := open(t, opts)
			if _, err := n.Append(t.Context(), "s", eventstore.Any, newEvent("A")); err != nil {
				t.Fatal(err)
			}
			if err := n.Close(); err != nil { // which makes a table
				t.Fatal(err)
			}
			n = open(t, opts)
			if _, err := n.Append(t.Context(), "s", eventstore.Any, newEvent("B")); err != nil {
				t.Fatal(err)
			}
			backedUp := make(chan error, 1)
			go func() { backedUp <- n.Backup(t.Context(), "backups/monday") }()
			select {
			case err := <-backedUp:
				if !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("backup: %v", err)
				}
			case <-n.Failed():
				t.Fatalf("the log stopped writing: %v", n.Err())
			}
			if err := n.Refuses(); err != nil {
				t.Errorf("appends are refused: %v", err)
			}
			if _, err := n.Append(t.Context(), "s", eventstore.Any, newEvent("C")); err != nil {
				t.Error(err)
			}
		})
	}
}
