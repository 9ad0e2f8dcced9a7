// Package accounting keeps double-entry books of orders: a chart of accounts, and for every event of
// an order the entry that it makes in them.
//
// The books of one order are a function of its state: each account that an order touches has a balance
// that follows from what was captured, refunded, disputed and so on (see balances), in such a way that
// the balances always sum to zero. The entry of an event is the difference between the balances after
// and before it. So entries balance whatever the event is, corrections included, and the accounts of an
// order always agree with its public amounts. Two things are not in the state and are remembered in
// Books: what an order that was closed unpaid still counts as due, and fees.
//
// Amounts are signed from the debit side: positive is a debit, negative a credit. The package is pure:
// no clock, no I/O.
package accounting
