package node

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/order-ledger/order-ledger/eventstore"
)

// failure remembers the first failure of the write path and tells everybody at once.
type failure struct {
	once     sync.Once
	err      error
	happened chan struct{}
}

func newFailure() *failure { return &failure{happened: make(chan struct{})} }

// set records the first failure; later ones follow from it.
func (f *failure) set(err error) {
	f.once.Do(func() {
		f.err = err
		close(f.happened)
	})
}

// get returns the failure, or nil.
func (f *failure) get() error {
	select {
	case <-f.happened:
		return f.err
	default:
		return nil
	}
}

// tableFailuresMax is how many attempts in a row to write a table may fail before the node stops
// writing; they are Options.RetryDelay apart.
const tableFailuresMax = 30

// tableSilence is after how many retry delays without another failure appends are taken again: nothing tries to write
// a table then, so that none will be written, either. Pebble leaves a compaction that failed alone for a while.
const tableSilence = 30

// guardFS stands between Pebble and the file system of an open node.
//
// Pebble answers a write-ahead log or a manifest that cannot be written, rotated or synced by ending the
// process, and its way of panicking leaves no chance to recover. A node must go on reading. So the
// operation that failed never returns: it reports the failure, which ends all writing, and parks its goroutine for the
// rest of the process's life.
//
// It is the same while the log is being opened, where the first failure ends Open.
//
// A table that cannot be written later is another matter: the write-ahead log still holds its content, and
// Pebble tries again, but at once and for ever. The guard slows it down and refuses appends until a
// table was written, or nobody tries any more; so a disk that was full for a while heals without a restart.
//
// Files elsewhere are a backup: that they cannot be written is told to who makes it, and is no trouble of the log.
type guardFS struct {
	vfs.FS
	dir        string // of the log
	broken     *failure
	retryDelay time.Duration
	log        *slog.Logger
	// armed is set once the log is open.
	armed atomic.Bool
	// tableFailures counts attempts since the last table that was written, and failedAt is how long after began the last one
	// was, in nanoseconds: the machine's clock may be put back.
	tableFailures atomic.Int32
	failedAt      atomic.Int64
	began         time.Time
	// preparing writes logs ahead with zeros: see logFile.
	preparing bool
	// forgetting makes Pebble write no log over an old one: those that it would go on with are removed.
	forgetting atomic.Bool
	// parked is closed when the first operation was parked: Pebble may hang from then on.
	parked   chan struct{}
	parkOnce sync.Once
}

func newGuardFS(opts Options, broken *failure) *guardFS {
	return &guardFS{
		FS: opts.FS, dir: opts.FS.PathJoin(opts.Dir), broken: broken, retryDelay: opts.RetryDelay, began: time.Now(), log: opts.Logger,
		parked: make(chan struct{}),
	}
}

// refuse tells why appends cannot be taken for the time being, or nil.
func (g *guardFS) refuse() error {
	if n := g.tableFailures.Load(); n > 0 && time.Since(g.began)-time.Duration(g.failedAt.Load()) < tableSilence*g.retryDelay {
		return fmt.Errorf("%w: tables cannot be written, %d attempts failed", eventstore.ErrUnavailable, n)
	}
	return nil
}

// result passes on the result of an operation on a file, unless it is one that must not return.
func (g *guardFS) result(what, name string, err error) error {
	if err == nil {
		return nil
	}
	opening := !g.armed.Load()
	err = fmt.Errorf("%s %s: %w", what, g.PathBase(name), err)
	if isTable(name) && !opening && g.broken.get() == nil {
		g.failedAt.Store(int64(time.Since(g.began)))
		n := g.tableFailures.Add(1)
		if n < tableFailuresMax {
			g.log.Error("table cannot be written; appends are refused until it can", slog.Any("attempt", n), slog.Any("error", err))
			<-time.After(g.retryDelay) // Pebble tries again at once
			return err
		}
	}
	g.broken.set(err)
	if !opening {
		g.log.Error("event log stops writing; reads go on until the process ends", slog.Any("error", err))
	}
	g.giveUp()
	select {}
}

// giveUp tells that Pebble may hang from now on.
func (g *guardFS) giveUp() { g.parkOnce.Do(func() { close(g.parked) }) }

// isVital matches the write-ahead log and the manifest that lists all files, its marker included.
func isVital(name string) bool {
	return isLog(name) || strings.Contains(name, "MANIFEST-")
}

func isTable(name string) bool { return strings.HasSuffix(name, ".sst") }

// Unwrap implements vfs.FS.
func (g *guardFS) Unwrap() vfs.FS { return g.FS }

// Create implements vfs.FS.
func (g *guardFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.Create(name, category)
	return g.guard("create", name, f, err, 0)
}

// ReuseForWrite implements vfs.FS.
func (g *guardFS) ReuseForWrite(oldName, newName string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if g.forgetting.Load() && g.FS.Remove(oldName) == nil {
		return g.Create(newName, category)
	}
	f, err := g.FS.ReuseForWrite(oldName, newName, category)
	written := int64(0)
	if err == nil && g.preparing {
		if info, err := f.Stat(); err == nil {
			written = info.Size()
		}
	}
	return g.guard("reuse as", newName, f, err, written)
}

// OpenDir implements vfs.FS.
func (g *guardFS) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil || g.PathJoin(name) != g.dir {
		return f, err
	}
	return &guardFile{File: f, fs: g, name: name}, nil
}

// guard guards a file if it is one that matters; written is how much of it had been written before.
func (g *guardFS) guard(what, name string, f vfs.File, err error, written int64) (vfs.File, error) {
	if g.PathDir(name) != g.dir || (!isVital(name) && !isTable(name)) {
		return f, err
	}
	if err != nil {
		return nil, g.result(what, name, err)
	}
	guarded := guardFile{File: f, fs: g, name: name}
	if g.preparing && isLog(name) {
		return newLogFile(guarded, written), nil
	}
	return &guarded, nil
}

// guardFile is a vital file, a table, or the directory that names them.
type guardFile struct {
	vfs.File
	fs   *guardFS
	name string
}

// Write implements vfs.File.
func (f *guardFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.fs.result("write", f.name, err)
}

// Sync implements vfs.File.
func (f *guardFile) Sync() error { return f.synced(f.File.Sync()) }

// SyncData implements vfs.File.
func (f *guardFile) SyncData() error { return f.synced(f.File.SyncData()) }

// synced passes on the result of a sync. A table is written when it is synced.
func (f *guardFile) synced(err error) error {
	if err == nil && isTable(f.name) {
		f.fs.tableFailures.Store(0)
	}
	return f.fs.result("sync", f.name, err)
}

// SyncTo implements vfs.File.
func (f *guardFile) SyncTo(length int64) (fullSync bool, err error) {
	fullSync, err = f.File.SyncTo(length)
	return fullSync, f.fs.result("sync", f.name, err)
}

// Stat implements vfs.File.
func (f *guardFile) Stat() (vfs.FileInfo, error) {
	info, err := f.File.Stat()
	return info, f.fs.result("stat", f.name, err)
}
