// Package projections folds the event log into the read models that people and reports query: the
// tables in PostgreSQL's schema ledger_data behind the views in schema ledger. Statements name no
// schema of tables: the connection's search_path does (package schema), so that a second set of tables
// can be moved beside the live one.
//
// # How it works
//
// One Runner follows $all once, filtered to the streams of orders and of quarantine, folds each
// touched order in memory and writes every model and the one checkpoint in a single transaction:
//
//	log ──► feed ──► fold ──► write ──► PostgreSQL
//	       decode   state    one pipelined transaction:
//	                per      move checkpoint (compare-and-set), upsert rows per table
//	                order
//
// Feed, fold and write run side by side; a batch is whatever was folded while the previous batch was
// written: a single event when live, thousands when behind.
//
// # What it promises
//
//   - The tables are at every moment a consistent cut of the log at the checkpoint's position, and a pure
//     function of the log up to it: batch sizes, restarts and changes of leader leave no trace in them.
//   - Each event has its effect exactly once. The checkpoint moves only from where this leader left it, in
//     the transaction that writes the rows; after an answer that was lost, the checkpoint is read again.
//   - One leader per database: a session advisory lock on the very connection that writes, so that a leader
//     that lost its lock cannot write either, and an epoch in case the lock was lost without its knowing.
//   - PostgreSQL may be away or restart at any time; the runner goes on by itself from the stored
//     checkpoint.
//   - An order that cannot be projected is parked, visibly, and everything else goes on. Nothing is skipped.
//
// # Read models
//
// Each read model has its own folder with the columns it writes, its SQL and its reader: orders
// (with test orders), payouts, payments, refunds, disputes, history, quarantine, parked; and
// checkpoint.
package projections
