package node

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/eventstore"
)

// slowFS is a file system that reads logs slowly: much happens once zeros were read.
type slowFS struct {
	vfs.FS
	meanwhile func()
}

func (s *slowFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := s.FS.Open(name, opts...)
	if err != nil || !isLog(name) {
		return f, err
	}
	return &slowFile{File: f, fs: s}, nil
}

type slowFile struct {
	vfs.File
	fs *slowFS
}

func (f *slowFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	if meanwhile := f.fs.meanwhile; meanwhile != nil && bytes.HasSuffix(p[:n], make([]byte, 1<<10)) {
		f.fs.meanwhile = nil
		meanwhile()
	}
	return n, err
}

// TestNode_BackupOfALogThatGoesOn: a block of the write-ahead log is copied before its end was written, and the next one after. The
// copy can be opened all the same.
func TestNode_BackupOfALogThatGoesOn(t *testing.T) {
	t.Parallel()
	disk := &slowFS{FS: vfs.NewMem()}
	if err := disk.MkdirAll("backups", 0o700); err != nil {
		t.Fatal(err)
	}
	n := openOn(t, disk)
	appendBytes(t, n, 1)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = openOn(t, disk) // the log is not new any more: the next one begins with the flush
	n.guard.preparing = true
	if err := n.db.Flush(); err != nil {
		t.Fatal(err)
	}
	appendBytes(t, n, 3)
	for name, _ := newestLog(disk, "log"); ; runtime.Gosched() {
		if info, err := disk.Stat("log/" + name); err != nil {
			t.Fatal(err)
		} else if info.Size() > walBlockBytes {
			break
		}
	}
	disk.meanwhile = func() { appendBytes(t, n, 100) }
	if err := n.Backup(t.Context(), "backups/monday"); err != nil {
		t.Fatal(err)
	}
	if disk.meanwhile != nil {
		t.Error("nothing happened while the log was copied")
	}
	report, err := verifyFS(t.Context(), disk, "backups/monday", nil)
	if err != nil || !report.OK() || report.Events < 4 {
		t.Errorf("verify backup: %+v, %v", report, err)
	}
}

func openOn(t *testing.T, disk vfs.FS) *Node {
	t.Helper()
	n, err := Open(Options{Dir: "log", FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// appendBytes appends events of a kilobyte, one after the other.
func appendBytes(t *testing.T, n *Node, events int) {
	t.Helper()
	for range events {
		e := eventstore.EventData{ID: uuid.New(), Type: "A", Data: bytes.Repeat([]byte("x"), 1<<10)}
		if _, err := n.Append(t.Context(), "s", eventstore.Any, e); err != nil {
			t.Error(err)
		}
	}
}
