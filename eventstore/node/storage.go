package node

import (
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
)

const (
	bloomBitsPerKey    = 10
	memTables          = 3 // one being written, two waiting to be flushed
	pebbleMaxOpenFiles = 512
	l0StopWrites       = 64
	// l0Compaction is twice as many tables as may lie over one key in L0 before they are merged into the levels
	// below. Merging writes the newest tables of the log again as well, because they lie beside the indexes: the
	// rarer, the cheaper are appends, while a reader of a stream looks into that many more tables.
	l0Compaction   = 16
	compactionsMax = 1 // at a time, beside one flush
	// blockBytes is what is read, checked and decompressed at once. An append is some kilobytes: with Pebble's 4 KiB a block would
	// hold one, and reading the whole log would mostly be work per block. 32 KiB make reading single streams slower.
	blockBytes = 16 << 10
)

// pebbleOptions are chosen for a log: the write-ahead log is always on and never delays a sync, write
// buffers are few because memory is bounded, and every level has a Bloom filter because most lookups
// of event ids and stream names find nothing.
func pebbleOptions(opts Options, cache *pebble.Cache, guard *guardFS) *pebble.Options {
	po := &pebble.Options{
		FS:                          guard,
		Cache:                       cache,
		MemTableSize:                opts.MemTableBytes,
		MemTableStopWritesThreshold: memTables,
		MaxOpenFiles:                pebbleMaxOpenFiles,
		L0StopWritesThreshold:       l0StopWrites,
		L0CompactionThreshold:       l0Compaction,
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		Logger:                      pebbleLogger{log: opts.Logger, guard: guard},
		CompactionConcurrencyRange:  func() (int, int) { return 1, compactionsMax },
	}
	// Statistics of tables serve deletions, of which a log has next to none, and Pebble tries to load those of a
	// damaged table again and again.
	po.DisableTableStats = true
	po.Experimental.SpanPolicyFunc = splitByKind
	po.EventListener = &pebble.EventListener{
		BackgroundError: func(err error) {
			opts.Logger.Error("event log background work failed", slog.Any("error", err))
		},
		// Reads of the damaged part fail; going on writing could only spread what is wrong.
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			guard.broken.set(fmt.Errorf("corrupt file %s: %w", info.Path, info.Details))
			opts.Logger.Error("event log is damaged and stops writing; verify it and restore a backup",
				slog.String("file", info.Path), slog.String("error", info.Details.Error()))
		},
	}
	for i := range po.Levels {
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBitsPerKey)
		po.Levels[i].BlockSize = blockBytes
	}
	po.EnsureDefaults()
	return po
}

// splitByKind makes Pebble end a table where one kind of key ends and the next begins. The log, which
// is nearly all of the data and only grows at its end, then lies in tables of its own, which below L0 are
// not merged with the indexes and written again.
func splitByKind(start []byte) (pebble.SpanPolicy, []byte, error) {
	if len(start) == 0 {
		return pebble.SpanPolicy{}, nil, nil
	}
	return pebble.SpanPolicy{}, prefixEnd(start[0]), nil
}

// pebbleLogger hands Pebble's messages to slog. Pebble calls Fatalf when its write path can no longer
// be trusted; that stops writing for good but not the process: what is on disk can still be read.
type pebbleLogger struct {
	log   *slog.Logger
	guard *guardFS
}

func (l pebbleLogger) Infof(format string, args ...any) {
	l.log.Debug("pebble", slog.String("message", fmt.Sprintf(format, args...)))
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.log.Error("pebble", slog.String("message", fmt.Sprintf(format, args...)))
}

func (l pebbleLogger) Fatalf(format string, args ...any) {
	err := fmt.Errorf("storage engine: "+format, args...)
	l.guard.broken.set(err)
	l.guard.giveUp() // Pebble does not expect that this returns
	l.log.Error("event log stops writing", slog.Any("error", err))
	if !l.guard.armed.Load() { // nobody reads yet: Open has returned the error
		select {}
	}
}
