// Package node is the embedded event store: one process, one directory, no server to install. It
// implements eventstore.Store over Pebble, an LSM key-value store with a checksummed write-ahead
// log.
//
// # Layout
//
// The unit of storage is the frame: all events of one append, in one value with one CRC32C. A
// frame, its place in its stream and its event ids are written in one atomic batch, so the log and
// its indexes cannot disagree, and an append is whole or absent.
//
//	e/<position of the frame's first event>   frame                        the log
//	s/<stream id>/<revision of first event>   position, number of events   the stream index
//	i/<stream id>/<event id>                  revision                     the event-id index
//	d/<stream name>                           ids, tombstone               the directory of streams
//	m/<name>                                  format version, how far scavenges came
//
// All numbers are big endian. A position is the ordinal of an event in the log, from 1; commit and
// prepare are equal. Stream ids are handed out in the order of creation, so that what is written
// together lies together in every index and compaction has little to merge. A stream and its metadata
// stream ("$$" and its name) share one entry of the directory.
//
// # One append's way
//
//	Append ──queue──► decider ──batch──► Pebble WAL ──fsync──► committer ──► ring, head ──► answer
//	 (encodes)     expected revisions    (not yet visible)    in log order  subscriptions
//
// The decider takes whatever is queued, decides it against Pebble and its own cache, and hands one
// batch to Pebble without waiting for the fsync; the committer waits for the fsyncs in log order and
// only then moves the head, wakes subscriptions and answers. While one group is being synced the
// next is being decided. Nobody sleeps: one caller alone gets one fsync at once; where many append,
// those who can run do so before a group is closed.
//
// The decider reads the disk only for streams that it has not in memory, and for event ids of streams
// that were begun long ago: which ids were written lately it knows by filters in memory (2 MiB), which
// begin empty with each Open. A group's records go into the batch in the order of their keys.
//
// # Invariants
//
//   - Nothing is visible before it is synced: readers never look past the head.
//   - Positions and revisions have no gaps; both are given by the one decider.
//   - A frame never changes, but for a scavenge, which removes the data and metadata of events that its stream's
//     metadata hides, and marks them; where everything stands, and ids, stay.
//   - A damaged record is refused, in the write-ahead log too, where only the last few records before a
//     crash cannot be told from a torn write.
//   - After a failed write or fsync nothing is ever written again by this process: what the disk
//     holds is unknown until the next Open has replayed the write-ahead log.
package node
