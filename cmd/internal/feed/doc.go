// Package feed is the ledger's event feed over HTTP: every fact of the log, in the log's order, as
// CloudEvents 1.0, for services that follow the ledger without talking to its event store.
//
//	GET /events          pages (JSON) or everything up to the present end (NDJSON)
//	GET /events/stream   server-sent events, live
//
// # Cursors
//
// Whoever follows the feed keeps the cursor of the last event that they have processed and asks for
// what is after it. A cursor names a place in the log and the event that stood there, so that a
// cursor of another ledger, or of a history that this ledger has lost (an older backup was restored),
// is refused and not misread, and that the event is found again in a copy of the log. Events are never reordered, and no event appears later in front of a
// cursor that was handed out: the feed shows only what is durable, in commit order.
//
// # Memory
//
// Nothing is buffered for a slow client: events are read from the log as the client takes them. A
// client that takes nothing for Config.WriteTimeout is disconnected; it resumes with its cursor. A download
// that takes less than Config.DownloadRate ends with the cursor to go on after, and downloads never take a
// place from pages: no client can keep others from reading.
package feed
