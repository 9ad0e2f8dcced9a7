// Package migrations holds the history of the ledger's PostgreSQL schema and applies it.
//
// A migration is a pair of files in sql/: NNNN_name.up.sql and NNNN_name.down.sql, numbered from 1
// without gaps. The first line of each is a comment that says why it exists. A released file is never
// edited: its checksum is stored when it is applied, and a difference is an error.
//
// Each migration runs in one transaction together with its record in ledger_internal.migrations, under
// an advisory lock that is taken inside that transaction: several ledgers may start at the same time,
// also through a connection pooler, and each step happens once. After a failure everything before the
// failed migration stays applied, and nothing of it.
//
// Two schemas matter to others: ledger holds the public views (columns are added, never renamed),
// ledger_data the private tables behind them.
package migrations
