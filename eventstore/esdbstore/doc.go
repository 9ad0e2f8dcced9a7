// Package esdbstore is the event store port over EventStoreDB's official
// client: any EventStoreDB or KurrentDB server, and the embedded node, by
// connection string (esdb://, esdb+discover://, kurrentdb://).
//
// The client, version 4.2.0, is used through one narrow door (session), which
// makes up for its known defects:
//
//   - a client whose discovery failed stays dead for ever: the session replaces
//     it, and goes on;
//   - calls may ignore their context while it discovers: every call is raced
//     against its context;
//   - it panics on unexpected messages: panics become errors of that call;
//   - a dropped subscription stays dropped: the supervisor in subscribe.go
//     resumes after the last message that the consumer got;
//   - reads that are not closed leak: every read is closed;
//   - errors come wrapped, untyped or as text only: errors.go is the one place
//     that reads them;
//   - it logs to the console: its lines go to slog.
package esdbstore
