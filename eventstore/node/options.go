package node

import (
	"errors"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options says where a node keeps its log and what it may use. Zero values are the documented
// defaults.
type Options struct {
	// Dir is the node's directory; Open creates it. It MUST NOT be empty.
	Dir string
	// Logger gets starts, stops and failures; nil discards them.
	Logger *slog.Logger
	// Clock stamps events with the time of their append and ages them for $maxAge; nil is time.Now.
	Clock func() time.Time
	// Kept tells the streams that hold what must never go: no scavenge touches them, whoever limits, hides or deletes
	// them. nil is none.
	Kept func(stream string) bool
	// FS is where Pebble keeps its files; nil is the disk. Any other file system is private to this
	// process, so no lock file is made for it.
	FS vfs.FS

	// CacheBytes bounds table blocks and write buffers together; 0 is 96 MiB.
	CacheBytes int64
	// MemTableBytes is the size of one write buffer, of which up to three exist; what they take is
	// not available for table blocks. 0 is 16 MiB. Larger buffers mean fewer compactions and a longer
	// replay at Open.
	MemTableBytes uint64
	// LiveBufferBytes bounds the buffer of the newest events that all live subscriptions share; one
	// that falls further behind reads from disk until it has caught up. 0 is 8 MiB.
	LiveBufferBytes int
	// MaxQueuedAppends is how many appends may wait for the writer; one more is answered with
	// eventstore.ErrUnavailable. 0 is 4096.
	MaxQueuedAppends int
	// MaxQueuedBytes bounds the events of the waiting appends; 0 is 32 MiB.
	MaxQueuedBytes int64
	// MaxGroupAppends is how many appends are committed with one fsync; 0 is 1024.
	MaxGroupAppends int
	// MaxGroupBytes closes a group once its events exceed it; 0 is 4 MiB.
	MaxGroupBytes int
	// CachedHeads is the number of streams whose last revision is kept in memory (about 350 bytes
	// each); 0 is 65,536.
	CachedHeads int
	// MaxSubscriptions is how many subscriptions may be open; one more is answered with
	// eventstore.ErrUnavailable. 0 is 1024.
	MaxSubscriptions int
	// MinFreeBytes is the free disk space below which appends are refused with
	// eventstore.ErrUnavailable while reads go on; appends are taken again when there is more. It
	// keeps the write-ahead log from ever meeting a full disk. 0 is 64 MiB; negative turns it off.
	MinFreeBytes int64
	// RetryDelay is the time between two attempts to write a table after one failed; appends are refused
	// meanwhile. 0 is one second.
	RetryDelay time.Duration
}

const (
	defaultCacheBytes       = 96 << 20
	defaultMemTableBytes    = 16 << 20
	defaultLiveBufferBytes  = 8 << 20
	defaultMaxQueuedAppends = 4096
	defaultMaxQueuedBytes   = 32 << 20
	defaultMaxGroupAppends  = 1024
	defaultMaxGroupBytes    = 4 << 20
	defaultCachedHeads      = 65_536
	defaultMaxSubscriptions = 1024
	defaultMinFreeBytes     = 64 << 20
	defaultRetryDelay       = time.Second
)

// withDefaults validates the options and fills in what is zero.
func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" {
		return o, errors.New("node options: Dir is empty")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Kept == nil {
		o.Kept = func(string) bool { return false }
	}
	setDefault(&o.CacheBytes, defaultCacheBytes)
	setDefault(&o.MemTableBytes, defaultMemTableBytes)
	setDefault(&o.LiveBufferBytes, defaultLiveBufferBytes)
	setDefault(&o.MaxQueuedAppends, defaultMaxQueuedAppends)
	setDefault(&o.MaxQueuedBytes, defaultMaxQueuedBytes)
	setDefault(&o.MaxGroupAppends, defaultMaxGroupAppends)
	setDefault(&o.MaxGroupBytes, defaultMaxGroupBytes)
	setDefault(&o.CachedHeads, defaultCachedHeads)
	setDefault(&o.MaxSubscriptions, defaultMaxSubscriptions)
	setDefault(&o.MinFreeBytes, defaultMinFreeBytes)
	setDefault(&o.RetryDelay, defaultRetryDelay)
	if o.CacheBytes < 0 || o.LiveBufferBytes < 0 || o.MaxQueuedAppends < 0 || o.MaxQueuedBytes < 0 ||
		o.MaxGroupAppends < 0 || o.MaxGroupBytes < 0 || o.CachedHeads < 0 || o.MaxSubscriptions < 0 {
		return o, errors.New("node options: a limit is negative")
	}
	// A head that the group under way has touched must not be evicted: it is newer than the disk.
	o.CachedHeads = max(o.CachedHeads, o.MaxGroupAppends+1)
	return o, nil
}

func setDefault[T ~int | ~int64 | ~uint64](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}
