package node_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

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
