package node

import (
	"errors"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// VerifyFS is Verify on any file system, for the crash tests.
var VerifyFS = verifyFS

// ScavengeFrameAt removes the data of a frame's events, whatever its stream says.
func ScavengeFrameAt(fs vfs.FS, dir string, position uint64) error {
	opts, err := Options{Dir: dir, FS: fs, Logger: slog.New(slog.DiscardHandler)}.withDefaults()
	if err != nil {
		return err
	}
	cache := pebble.NewCache(opts.CacheBytes)
	defer cache.Unref()
	db, err := openPebble(dir, pebbleOptions(opts, cache, newGuardFS(opts, newFailure())))
	if err != nil {
		return err
	}
	v, closer, err := db.Get(eventKey(nil, position))
	if err != nil {
		return errors.Join(err, db.Close())
	}
	frame, _ := scavengeFrame(v, frameCount(v))
	return errors.Join(closer.Close(), db.Set(eventKey(nil, position), frame, pebble.Sync), db.Close())
}
