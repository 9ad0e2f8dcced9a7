package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// scavengeBatchFrames and scavengeBatchBytes bound what a scavenge changes with one fsync.
	scavengeBatchFrames = 256
	scavengeBatchBytes  = 1 << 20
	// scavengeEntries is how many streams, or entries of a stream, are looked at before the database is let go.
	scavengeEntries = 1024
	// scavengeSpan is the granularity, in positions, of what is compacted.
	scavengeSpan = 4096
)

// ScavengeReport is what a scavenge did.
type ScavengeReport struct {
	Streams uint64 `json:"streams"` // that lost data
	Events  uint64 `json:"events"`  // whose data and metadata were removed
	Bytes   uint64 `json:"bytes"`   // of data and metadata
}

// Scavenge removes, from the files of the log too, the data and metadata of events that reads of their streams hide for good:
// those that $maxCount, $maxAge or $tb hides, those of deleted streams, and metadata that was replaced. Nobody
// is shown these events any more, in $all neither. Their places stay, with position, revision, id and type, so that the log stays
// without gaps, and repeated appends are recognised. Streams without metadata are never touched, nor are those of
// Options.Kept. prefix, when not empty, is how the streams begin that are looked at.
//
// It may be broken off at any point and begun again: the next one, of whatever prefix, also gets rid of what an earlier one
// left. Appends and reads go on. The old tables and write-ahead logs are deleted before it returns, but for tables that a read
// or a backup still holds.
func (n *Node) Scavenge(ctx context.Context, prefix string) (report ScavengeReport, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("scavenge event log: %w", err)
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-n.closing:
			cancel(eventstore.ErrClosed)
		case <-ctx.Done():
		}
	}()
	defer func() { cancel(nil); <-watched }()
	select {
	case n.scavenging <- struct{}{}:
		defer func() { <-n.scavenging }()
	case <-ctx.Done():
		return report, context.Cause(ctx)
	}
	s := &scavenge{node: n, ctx: ctx, spans: map[uint64]struct{}{}, report: &report}
	if err := s.all(prefix); err != nil {
		return report, err
	}
	if prefix == "" {
		now := binary.BigEndian.AppendUint64(nil, uint64(n.opts.Clock().Unix()))
		if err := n.whileOpen(func() error { return n.db.Set([]byte(lastScavengeKey), now, pebble.Sync) }); err != nil {
			return report, err
		}
	}
	n.opts.Logger.Info("event log scavenged", slog.Uint64("events", report.Events), slog.Uint64("bytes", report.Bytes))
	return report, nil
}

// LastScavenge is when the whole log was last scavenged; zero when it never was.
func (n *Node) LastScavenge() (at time.Time, err error) {
	if err := n.use(); err != nil {
		return at, err
	}
	defer n.release()
	seconds, err := getNumber(n.db, []byte(lastScavengeKey))
	if err != nil || seconds == 0 {
		return at, err
	}
	return time.Unix(int64(seconds), 0).UTC(), nil
}

// whileOpen does what may hang for ever when the disk fails: see guardFS.
func (n *Node) whileOpen(work func() error) error {
	if err := n.use(); err != nil {
		return err
	}
	defer n.release()
	if err := n.broken.get(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-n.guard.parked:
		return n.broken.get()
	}
}

// scavenge is one under way.
type scavenge struct {
	node   *Node
	ctx    context.Context // of the one call that the scavenge lives in
	report *ScavengeReport

	batch  *pebble.Batch
	frames int
	spans  map[uint64]struct{} // of positions whose frames were changed, and old tables may hold
	kept   int                 // streams of Options.Kept that have metadata or an end
}

// all scavenges the streams of a prefix, and then gets rid of what the tables and logs still hold.
func (s *scavenge) all(prefix string) error {
	if err := s.leftover(); err != nil {
		return err
	}
	for from := directoryKey(nil, prefix); from != nil; {
		names, next, err := s.limited(from, prefix)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := s.stream(name); err != nil {
				return fmt.Errorf("stream %q: %w", name, err)
			}
		}
		from = next
	}
	if err := s.commit(); err != nil {
		return err
	}
	if s.kept > 0 {
		s.node.opts.Logger.Warn("streams that are kept for ever have metadata or were deleted: nothing of them is removed", slog.Int("streams", s.kept))
	}
	if len(s.spans) == 0 {
		return nil
	}
	return s.forget()
}

// leftover takes up what scavenges that were broken off changed, and may have left in tables and logs.
func (s *scavenge) leftover() (err error) {
	if err := s.node.use(); err != nil {
		return err
	}
	defer s.node.release()
	it, err := s.node.db.NewIter(&pebble.IterOptions{LowerBound: unforgottenKey(0), UpperBound: unforgottenKey(math.MaxUint64)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if key := it.Key(); len(key) == len(unforgottenKey(0)) {
			s.spans[binary.BigEndian.Uint64(key[2:])] = struct{}{}
		}
	}
	return it.Error()
}

// limited lists streams that have metadata or an end, from a key of the directory on; next is where to go on, nil at the end.
func (s *scavenge) limited(from []byte, prefix string) (names []string, next []byte, err error) {
	if err := s.ctx.Err(); err != nil {
		return nil, nil, context.Cause(s.ctx)
	}
	if err := s.node.use(); err != nil {
		return nil, nil, err
	}
	defer s.node.release()
	it, err := s.node.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: prefixEnd(keyDirectory)})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	seen := 0
	for ok := it.First(); ok; ok = it.Next() {
		name := string(it.Key()[1:])
		if !strings.HasPrefix(name, prefix) {
			break
		}
		if seen++; seen > scavengeEntries {
			return names, slices.Clone(it.Key()), nil
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, nil, err
		}
		entry, err := parseDirectoryEntry(value)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case entry.metadata == 0 && entry.tombstone == 0:
		case s.node.opts.Kept(name):
			s.kept++
		default:
			names = append(names, name)
		}
	}
	return names, nil, it.Error()
}

// stream scavenges a stream and its metadata, as of the log's synced end: what hides an event is durable before its data
// goes.
func (s *scavenge) stream(name string) error {
	before := *s.report
	limits, err := s.limits(name)
	if err != nil {
		return err
	}
	for _, l := range limits {
		for done := false; !done; {
			if done, err = s.below(l); err != nil {
				return err
			}
		}
	}
	if s.report.Events > before.Events {
		s.report.Streams++
	}
	return nil
}

// limit says which events of a stream are hidden for good: those before a revision, and of the others the first ones that are
// older than a time, unless that is zero.
type limit struct {
	stream    uint64
	before    uint64
	notBefore time.Time
}

func (s *scavenge) limits(name string) ([]limit, error) {
	n, head := s.node, s.node.live.head()
	if err := n.use(); err != nil {
		return nil, err
	}
	defer n.release()
	dir, ok, err := getDirectoryEntry(n.db, name)
	if err != nil || !ok {
		return nil, err
	}
	var limits []limit
	newest, hasMetadata, err := n.lastEntryUpTo(dir.metadata, head)
	if err != nil {
		return nil, err
	}
	if hasMetadata {
		limits = append(limits, limit{stream: dir.metadata, before: newest.lastRevision()})
	}
	last, ok, err := n.lastEntryUpTo(dir.stream, head)
	if err != nil || !ok {
		return limits, err
	}
	l := limit{stream: dir.stream}
	switch {
	case dir.tombstone != 0 && dir.tombstone <= head:
		l.before = tombstoneRevision
	case hasMetadata:
		f, err := getFrame(n.db, newest.position)
		if err != nil {
			return nil, err
		}
		info := streamInfo{last: last.lastRevision(), settings: settingsOf(&f)}
		l.before = min(info.first(), info.last+1)
		if info.settings.maxAge > 0 {
			l.notBefore = n.opts.Clock().Add(-info.settings.maxAge)
		}
	}
	return append(limits, l), nil
}

// below scavenges the next entries of a stream that a limit hides; done says that there are no more.
func (s *scavenge) below(l limit) (done bool, err error) {
	if s.ctx.Err() != nil {
		return false, context.Cause(s.ctx)
	}
	full, done, err := s.collect(l)
	if err == nil && full {
		err = s.commit()
	}
	return done, err
}

// collect adds the next entries of a stream that a limit hides to the batch, with the mark of how far it came.
func (s *scavenge) collect(l limit) (full, done bool, err error) {
	n := s.node
	if err := n.use(); err != nil {
		return false, false, err
	}
	defer n.release()
	if s.batch == nil {
		s.batch = n.db.NewIndexedBatch() // which has the marks of this batch too
	}
	mark, err := getNumber(s.batch, scavengedKey(l.stream))
	if err != nil {
		return false, false, err
	}
	it, err := newStreamIterator(n.db, l.stream)
	if err != nil {
		return false, false, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	reached := mark
	seen := 0
	ok := it.SeekLT(streamKey(nil, l.stream, mark+1)) || it.First()
	for ; ok; ok = it.Next() {
		entry, err := entryAt(it)
		if err != nil {
			return false, false, err
		}
		if entry.lastRevision() < mark {
			continue
		}
		hidden, err := s.entry(entry, l)
		if err != nil {
			return false, false, err
		}
		if reached = max(reached, entry.revision+uint64(hidden)); hidden < int(entry.count) {
			ok = false
			break
		}
		if seen++; seen >= scavengeEntries || s.frames >= scavengeBatchFrames || s.batch.Len() >= scavengeBatchBytes {
			break
		}
	}
	if err := it.Error(); err != nil {
		return false, false, err
	}
	if reached > mark {
		value := binary.BigEndian.AppendUint64(nil, reached)
		if err := s.batch.Set(scavengedKey(l.stream), value, nil); err != nil {
			return false, false, err
		}
	}
	return s.frames >= scavengeBatchFrames || s.batch.Len() >= scavengeBatchBytes, !ok, nil
}

// entry scavenges the events of one append that a limit hides, and tells how many of its first events are hidden.
func (s *scavenge) entry(entry indexEntry, l limit) (hidden int, err error) {
	if entry.revision == tombstoneRevision {
		return 0, nil
	}
	v, closer, err := s.node.db.Get(eventKey(nil, entry.position))
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, &CorruptError{Position: entry.position, Reason: "missing"}
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	if err := checkFrame(entry.position, v); err != nil {
		return 0, err
	}
	if frameStreamID(v) != entry.stream || frameRevision(v) != entry.revision || frameCount(v) != int(entry.count) {
		return 0, &CorruptError{Position: entry.position, Reason: "is not what the stream index says"}
	}
	if l.before > entry.revision {
		hidden = int(min(l.before-entry.revision, uint64(entry.count)))
	}
	if created := fromTicks(int64(binary.LittleEndian.Uint64(v[32:]))); created.Before(l.notBefore) {
		hidden = int(entry.count)
	}
	frame, removed := scavengeFrame(v, hidden)
	if removed == 0 {
		return hidden, nil
	}
	before := frameScavenged(v)
	if err := s.batch.Set(eventKey(nil, entry.position), frame, nil); err != nil {
		return 0, err
	}
	s.frames++
	s.report.Events += uint64(frameScavenged(frame) - before)
	s.report.Bytes += uint64(removed)
	span := entry.position / scavengeSpan
	if _, known := s.spans[span]; known {
		return hidden, nil
	}
	s.spans[span] = struct{}{}
	return hidden, s.batch.Set(unforgottenKey(span), nil, nil)
}

// commit makes what was collected durable and visible.
func (s *scavenge) commit() error {
	if s.batch == nil || s.batch.Empty() {
		return nil
	}
	b := s.batch
	s.batch = nil
	if s.frames > 0 {
		if err := b.Set([]byte(formatVersionKey), []byte(formatScavenged), nil); err != nil {
			return err
		}
	}
	s.frames = 0
	s.node.scavenged.Add(1) // before: a read that began later sees what took the place of what goes
	return s.node.whileOpen(func() error { return errors.Join(b.Commit(pebble.Sync), b.Close()) })
}

// forget gets rid of the tables and the write-ahead logs that hold what was removed.
func (s *scavenge) forget() error {
	n := s.node
	if err := n.whileOpen(n.db.Flush); err != nil {
		return err
	}
	var all []uint64
	for span := range s.spans {
		all = append(all, span)
	}
	slices.Sort(all)
	for i := 0; i < len(all); {
		first := all[i]
		last := first
		for i++; i < len(all) && all[i] == last+1; i++ {
			last = all[i]
		}
		from, to := eventKey(nil, first*scavengeSpan), eventKey(nil, (last+1)*scavengeSpan)
		if err := n.whileOpen(func() error { return n.db.Compact(s.ctx, from, to, false) }); err != nil {
			return err
		}
	}
	// Pebble writes over the logs that it needs no more. Each flush begins another one.
	n.guard.forgetting.Store(true)
	defer n.guard.forgetting.Store(false)
	for range memTables + 2 {
		if err := n.whileOpen(n.db.Flush); err != nil {
			return err
		}
	}
	done := n.db.NewBatch()
	for _, span := range all {
		if err := done.Delete(unforgottenKey(span), nil); err != nil {
			return err
		}
	}
	return n.whileOpen(func() error { return errors.Join(done.Commit(pebble.Sync), done.Close()) })
}

// getNumber reads a number of eight bytes; one that is not there is 0.
func getNumber(r pebble.Reader, key []byte) (uint64, error) {
	v, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = closer.Close() }()
	if len(v) != 8 {
		return 0, fmt.Errorf("malformed entry %x=%x", key, v)
	}
	return binary.BigEndian.Uint64(v), nil
}
