package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Backup writes a consistent copy of the log to dir while appends go on: what was acknowledged before
// the call is in it. dir MUST NOT exist, its parent MUST. Nobody but the user of this process can read the
// copy; until it is whole it stands in a folder beside dir. On the same file system the tables are hard
// links, so the copy is fast and small until the log is compacted. To restore, open the copy (or a
// copy of it) as a node's directory; Verify checks it.
func (n *Node) Backup(ctx context.Context, dir string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("back up event log to %s: %w", dir, err)
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := n.use(); err != nil {
		return err
	}
	defer n.release()
	disk := n.opts.FS
	if _, err := disk.Stat(dir); err == nil {
		return fs.ErrExist
	}
	if _, err := disk.Stat(disk.PathDir(dir)); err != nil {
		return err
	}
	unfinished := dir + ".unfinished-" + rand.Text()
	if err := disk.MkdirAll(unfinished, 0o700); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, disk.RemoveAll(unfinished)) }()
	whole := disk.PathJoin(unfinished, "log")
	if err := n.copyTo(whole); err != nil {
		return err
	}
	if disk == vfs.Default {
		if err := closeToOthers(whole); err != nil {
			return err
		}
	}
	if err := disk.Rename(whole, dir); err != nil {
		return err
	}
	// The copy must survive a power failure as well as the log does: Pebble syncs it, but not the
	// directory that names it.
	return syncDir(disk, disk.PathDir(dir))
}

// copyAttemptsMax is how often a copy is made until its write-ahead log is whole.
const copyAttemptsMax = 5

// copyTo makes a copy that can be opened. The write-ahead log goes on while it is copied, over zeros or over an older one: when a
// block was copied before its end was written, and a later one after, the copy looks damaged.
func (n *Node) copyTo(dir string) error {
	for attempt := 1; ; attempt++ {
		if err := n.db.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
			return err
		}
		err := checkLogTail(n.opts.FS, dir)
		var torn *DamagedLogError
		if !errors.As(err, &torn) || attempt == copyAttemptsMax {
			return err
		}
		if err := n.opts.FS.RemoveAll(dir); err != nil {
			return err
		}
	}
}

// closeToOthers takes the rights of group and others away. Files that are linked lose them in the log too.
func closeToOthers(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	err = fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return root.Chmod(path, 0o700)
		}
		return root.Chmod(path, 0o600)
	})
	return errors.Join(err, root.Close())
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
