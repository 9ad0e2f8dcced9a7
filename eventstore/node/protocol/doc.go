// Package protocol serves the embedded node to every EventStoreDB client: the
// gRPC services Streams (BatchAppend included), PersistentSubscriptions,
// ServerFeatures and Gossip, with the error encodings and transport settings
// that the official clients rely on.
//
// Where it knowingly differs from a real server:
//
//   - Appends with Any are idempotent for ever, not only while the server
//     remembers the ids.
//   - A retry of an append that is not yet durable is answered when it is; a
//     real server drops it without an answer.
//   - An append that must fail is read to its end first, so that clients see
//     the status and not a broken stream.
//   - Reading a stream forwards from its end answers nothing; a real server
//     answers with an error of its own making. Filters with a checkpoint
//     interval of zero are refused as invalid, not as an unknown failure.
//   - The log holds no events but those that were written: no $users, no
//     $epoch-information.
//   - Positions in $all that are beyond the end of the log are refused, for reads
//     too: they are of another log.
//   - $acl is stored and not enforced: whoever has a user may do everything.
//
// # Memory
//
// Unfinished appends hold at most Options.AppendBytes. Messages of which a part has arrived and events that
// clients do not take hold at most Options.ConnectionBytes: beyond that the connection that holds the most
// for the longest is closed. Connections, calls, headers and windows are bounded too.
//
// # Persistent subscriptions
//
// A group begins to read with its first consumer and keeps its state in the
// log, in the real server's streams: its settings in
// $persistentSubscriptionConfig, its place in
// $persistentsubscription-{stream}::{group}-checkpoint, and links to the events
// that were given up in …-parked. Delivery is at least once: what was not
// settled at the last checkpoint comes again after a restart.
//
// Parked events that are replayed stay in the parked stream until they are
// settled; one ReplayParked takes up at most 10,000 of them. A group that begins
// at the end means the end at its creation. The consumer strategies are
// RoundRobin, DispatchToSingle, Pinned and PinnedByCorrelation; an update, whose
// message cannot name the last, keeps it. Rates and extra statistics are not
// measured.
package protocol
