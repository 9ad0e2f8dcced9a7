// Package reportservice is a reference for services that follow the ledger: it reads the feed from its
// beginning, over HTTP alone, and keeps daily totals of revenue, refunds and disputes per currency in an
// SQLite database of its own.
//
// What it shows, for others to copy:
//
//   - Exactly-once effect: totals and cursor change in one transaction, so a kill at any moment repeats
//     or leaves out nothing. Ids of events that were counted guard against being told one twice.
//   - It reads the published contract (CloudEvents and JSON Schemas), none of the ledger's code.
//   - It stops rather than misread: at a version of an event that it does not know, and at a cursor that
//     its ledger does not know.
//   - Amounts are exact decimals, never floats.
package reportservice
