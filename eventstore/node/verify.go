package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
)

const (
	verifyProblemsMax   = 100
	verifyProgressEvery = 4096 // entries
)

// VerifyReport is what Verify found.
type VerifyReport struct {
	Events       uint64 // in the log
	Appends      uint64 // frames that hold them
	Streams      uint64 // metadata streams included
	EventIDs     uint64 // entries of the event-id index
	Bytes        uint64 // of all frames
	LastPosition uint64
	Scavenged    uint64 // events without their data, which a scavenge removed
	// Problems are in the order in which they were found, the first hundred of them.
	Problems []string
}

// OK says that nothing is wrong with the log.
func (r VerifyReport) OK() bool { return len(r.Problems) == 0 }

// VerifyProgress tells how far Verify has come.
type VerifyProgress struct {
	Stage string // "log", "stream index", "event ids" or "directory"
	Done  uint64 // entries of this stage
}

// Verify reads a whole log and all its indexes without changing them, and checks that
//   - every record has its checksum and holds the position of its key,
//   - positions have no gaps from the first event to the last,
//   - revisions have no gaps in any stream, and positions grow along it,
//   - the stream index, the event-id index and the directory say exactly what the log says.
//
// The directory must not be in use; otherwise Verify returns a *LockedError: verify a Backup instead.
// progress may be nil. An error means that the log could not be read as far as that; what is wrong in
// a log that can be read is in the report.
func Verify(ctx context.Context, dir string, progress func(VerifyProgress)) (VerifyReport, error) {
	return verifyFS(ctx, vfs.Default, dir, progress)
}

func verifyFS(ctx context.Context, fs vfs.FS, dir string, progress func(VerifyProgress)) (report VerifyReport, err error) {
	if fs == vfs.Default {
		pid, info, held, err := ReadLock(dir)
		if err != nil {
			return report, fmt.Errorf("verify event log: %w", err)
		}
		if held {
			return report, fmt.Errorf("verify event log: %w", &LockedError{Dir: dir, PID: pid, Info: info})
		}
	}
	opts, err := Options{Dir: dir, FS: fs, Logger: slog.New(slog.DiscardHandler)}.withDefaults()
	if err != nil {
		return report, err
	}
	cache := pebble.NewCache(opts.CacheBytes)
	defer cache.Unref()
	po := pebbleOptions(opts, cache, newGuardFS(opts, newFailure()))
	po.ReadOnly = true
	db, err := openPebble(dir, po)
	if err != nil {
		return report, fmt.Errorf("verify event log %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	v := &verification{ctx: ctx, db: db, progress: progress}
	if v.progress == nil {
		v.progress = func(VerifyProgress) {}
	}
	for _, stage := range []func() error{v.format, v.log, v.streamIndex, v.eventIDs, v.directory} {
		err := stage()
		if pebble.IsCorruptionError(err) {
			v.problem("%v", err)
			continue
		}
		if err != nil {
			return v.report, fmt.Errorf("verify event log %s: %w", dir, err)
		}
	}
	return v.report, nil
}

// verification is a Verify under way.
type verification struct {
	ctx      context.Context
	db       *pebble.DB
	progress func(VerifyProgress)
	report   VerifyReport

	repeatedIDs uint64 // events whose id comes again later in their stream
	tombstones  uint64
	// logRead is false when the log has unreadable records; counts then say nothing.
	logRead bool
}

func (v *verification) problem(format string, args ...any) {
	if len(v.report.Problems) < verifyProblemsMax {
		text := strings.ReplaceAll(fmt.Sprintf(format, args...), "<corruption detail carrier>", "") // Pebble's, for machines
		v.report.Problems = append(v.report.Problems, strings.Join(strings.Fields(text), " "))
	}
}

// each goes through all entries of one kind.
func (v *verification) each(stage string, kind byte, check func(key, value []byte) error) (err error) {
	it, err := v.db.NewIterWithContext(v.ctx, &pebble.IterOptions{LowerBound: []byte{kind}, UpperBound: prefixEnd(kind)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	done := uint64(0)
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := check(it.Key(), value); err != nil {
			return err
		}
		if done++; done%verifyProgressEvery == 0 {
			if err := v.ctx.Err(); err != nil {
				return err
			}
			v.progress(VerifyProgress{Stage: stage, Done: done})
		}
	}
	v.progress(VerifyProgress{Stage: stage, Done: done})
	return it.Error()
}

// get looks an entry up and copies it; nil means that there is none.
func (v *verification) get(key []byte) ([]byte, error) {
	value, closer, err := v.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := append([]byte{}, value...)
	return out, closer.Close()
}

func (v *verification) format() error {
	version, err := v.get([]byte(formatVersionKey))
	if err == nil && !isFormat(version) {
		return fmt.Errorf("not an event log of format version %s: version %q", formatVersion, version)
	}
	return err
}

// log checks every frame and that the indexes know it.
func (v *verification) log() error {
	err := v.each("log", keyEvents, func(key, value []byte) error {
		position, err := parseEventKey(key)
		if err != nil {
			v.problem("%v", err)
			return nil
		}
		if position != v.report.LastPosition+1 {
			v.problem("position %d follows position %d", position, v.report.LastPosition)
		}
		if err := checkFrame(position, value); err != nil {
			v.problem("%v", err)
			v.report.LastPosition = position
			return nil
		}
		f := copyFrame(value)
		v.report.Appends++
		v.report.Events += uint64(f.count)
		v.report.Bytes += uint64(len(value))
		v.report.LastPosition = position + uint64(f.count) - 1
		return v.indexed(&f)
	})
	v.logRead = err == nil && len(v.report.Problems) == 0
	return err
}

// indexed checks that the indexes say about a frame what it says itself.
func (v *verification) indexed(f *decodedFrame) error {
	entry := indexEntry{stream: f.stream, revision: f.revision, position: f.position, count: uint32(f.count)}
	got, err := v.get(streamKey(nil, f.stream, f.revision))
	if err != nil {
		return err
	}
	if string(got) != string(entry.appendValue(nil)) {
		v.problem("stream index of %s@%d does not point to position %d", f.name, f.revision, f.position)
	}
	for ordinal := range f.count {
		id := uuid.UUID(f.events[ordinal*frameEventBytes:][:16])
		if err := v.idIndexed(f, id, f.revision+uint64(ordinal)); err != nil {
			return err
		}
	}
	name, isMetadata := baseName(f.name)
	raw, err := v.get(directoryKey(nil, name))
	if err != nil {
		return err
	}
	dir, err := parseDirectoryEntry(raw)
	if err != nil || isMetadata && dir.metadata != f.stream || !isMetadata && dir.stream != f.stream {
		v.problem("directory does not know stream %q, which has events at position %d", f.name, f.position)
	}
	if err := v.rightlyScavenged(f, dir, isMetadata); err != nil {
		return err
	}
	if f.revision == tombstoneRevision {
		v.tombstones++
		if dir.tombstone != f.position {
			v.problem("directory does not know the tombstone of stream %q at position %d", f.name, f.position)
		}
	}
	return nil
}

// rightlyScavenged checks that data was removed only from streams that have metadata, or had an end: orders and their
// like have neither.
func (v *verification) rightlyScavenged(f *decodedFrame, dir directoryEntry, isMetadata bool) error {
	scavenged := uint64(0)
	for ordinal := range f.count {
		if f.scavenged(ordinal) {
			scavenged++
		}
	}
	if scavenged == 0 {
		return nil
	}
	v.report.Scavenged += scavenged
	if dir.metadata == 0 && dir.tombstone == 0 {
		v.problem("stream %q was scavenged at position %d, and nothing ever limited it", f.name, f.position)
	}
	if !isMetadata || !f.scavenged(f.count-1) {
		return nil
	}
	last, _, err := lastIndexEntry(v.db, f.stream)
	if err == nil && last.position == f.position {
		v.problem("the metadata in force of stream %q was scavenged at position %d", f.name, f.position)
	}
	return err
}

// idIndexed checks the event-id index about one event: it holds the newest revision with that id.
func (v *verification) idIndexed(f *decodedFrame, id uuid.UUID, revision uint64) error {
	got, err := v.get(eventIDKey(nil, f.stream, id))
	if err != nil {
		return err
	}
	switch {
	case len(got) != 8 || binary.BigEndian.Uint64(got) < revision:
		v.problem("event-id index does not know event %s, %s@%d", id, f.name, revision)
	case binary.BigEndian.Uint64(got) > revision:
		v.repeatedIDs++
	}
	return nil
}

// streamIndex checks each stream for gaps.
func (v *verification) streamIndex() error {
	var last indexEntry
	entries, tombstones := uint64(0), uint64(0)
	err := v.each("stream index", keyStream, func(key, value []byte) error {
		entry, err := parseIndexEntry(key, value)
		if err != nil {
			v.problem("%v", err)
			return nil
		}
		entries++
		next := uint64(0)
		if entry.stream == last.stream {
			next = last.lastRevision() + 1
			if entry.position <= last.lastPosition() {
				v.problem("stream %d: revision %d stands at position %d, its predecessor at %d",
					entry.stream, entry.revision, entry.position, last.lastPosition())
			}
		} else {
			v.report.Streams++
		}
		if entry.revision == tombstoneRevision {
			tombstones++
		} else if entry.revision != next {
			v.problem("stream %d: revision %d comes where %d should", entry.stream, entry.revision, next)
		}
		last = entry
		return nil
	})
	if err == nil && v.logRead && (entries != v.report.Appends || tombstones != v.tombstones) {
		v.problem("stream index has %d entries and %d tombstones, the log %d and %d", entries, tombstones, v.report.Appends, v.tombstones)
	}
	return err
}

// eventIDs checks that the event-id index holds nothing that the log does not.
func (v *verification) eventIDs() error {
	err := v.each("event ids", keyEventID, func(key, value []byte) error {
		v.report.EventIDs++
		if len(key) != 25 || len(value) != 8 {
			v.problem("malformed event-id entry %x=%x", key, value)
		}
		return nil
	})
	if want := v.report.Events - v.repeatedIDs; err == nil && v.logRead && v.report.EventIDs != want {
		v.problem("event-id index has %d entries, the log %d different ids", v.report.EventIDs, want)
	}
	return err
}

// directory checks that the directory holds exactly the streams of the stream index.
func (v *verification) directory() error {
	streams, tombstones := uint64(0), uint64(0)
	err := v.each("directory", keyDirectory, func(key, value []byte) error {
		dir, err := parseDirectoryEntry(value)
		if err != nil {
			v.problem("stream %q: %v", key[1:], err)
			return nil
		}
		for _, id := range []uint64{dir.stream, dir.metadata} {
			if id != 0 {
				streams++
			}
		}
		if dir.tombstone != 0 {
			tombstones++
		}
		return nil
	})
	if err == nil && v.logRead && (streams != v.report.Streams || tombstones != v.tombstones) {
		v.problem("directory has %d streams and %d tombstones, the log %d and %d", streams, tombstones, v.report.Streams, v.tombstones)
	}
	return err
}
