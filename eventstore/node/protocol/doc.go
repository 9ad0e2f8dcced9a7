// Package protocol serves the embedded node to every EventStoreDB client: the
// gRPC services Streams, ServerFeatures and Gossip, with the error encodings
// and transport settings that the official clients rely on.
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
//     answers with an error of its own making.
//   - The log holds no events but those that were written: no $users, no
//     $epoch-information.
package protocol
