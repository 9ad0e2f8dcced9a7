// Package rebuild builds all read models beside the live ones, proves that they are equal, and puts them
// in their place.
//
// # Stages
//
//	SPILLING  the log, up to where the live tables stood at the start, is sorted by slices into a file
//	LOADING   slice by slice: fold every order of it in memory, COPY its rows into tables without keys
//	INDEXING  keys, indexes, statistics
//	BUILT     the tables are projected on like the live ones; they can be verified and swapped in
//	RETIRED   the tables that were live before a swap: the way back
//	FROZEN    a copy of all views as of a position, for good
//
// Each step is recorded in the transaction that does it, so a rebuild that was interrupted in any way goes
// on with the next Run, and the rows are those of one that was not.
//
// # Proof
//
// Verify brings the new tables to exactly the position of a snapshot of the live ones and takes a digest of
// every table on both sides: per slice, the sum of the hashes of all rows, in whatever order. A difference is located,
// shown, and keeps Swap from swapping unless it is approved by its digest.
//
// # Swap
//
// One transaction, under the lock of the live checkpoint: bring the new tables to where the live ones are,
// raise both epochs so that a runner begins anew, exchange the names of the schemas, and define the public views
// again. Readers wait for no longer than Config.ReadersWait.
//
// # Memory
//
// A rebuild holds at most one unit of events more than there are processors, with their states and rows, whatever the size of the
// log: about twelve times Config.UnitBytes each, and 64 KiB for each of 1025 slices while it spills.
package rebuild
