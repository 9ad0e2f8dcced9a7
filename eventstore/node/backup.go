package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Backup writes a consistent copy of the log to dir while appends go on: what was acknowledged before
// the call is in it. dir MUST NOT exist, its parent MUST. On the same file system the tables are hard
// links, so the copy is fast and small until the log is compacted. To restore, open the copy (or a
// copy of it) as a node's directory; Verify checks it.
func (n *Node) Backup(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("back up event log: %w", err)
	}
	if err := n.use(); err != nil {
		return fmt.Errorf("back up event log: %w", err)
	}
	defer n.release()
	if err := n.db.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
		return fmt.Errorf("back up event log to %s: %w", dir, err)
	}
	// The copy must survive a power failure as well as the log does: Pebble syncs it, but not the
	// directory that names it.
	if err := syncDir(n.opts.FS, n.opts.FS.PathDir(dir)); err != nil {
		return fmt.Errorf("back up event log to %s: %w", dir, err)
	}
	return nil
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
