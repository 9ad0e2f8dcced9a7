// Package order is the ledger's core: what an order is, told by its events.
//
//	facts ──► Decide(state, command) ──► events ──► Evolve(state, event) ──► state
//
// It is pure: no clock, no input or output, no database, and no gateway's
// words. Translators speak the gateways' languages and hand in facts; what
// Decide answers is appended to the order's stream; everything that anybody
// reads is the fold of that stream.
//
// # What holds
//
//   - Reported facts are never refused. What contradicts is recorded and
//     flagged; what cannot be counted is recorded and moves nothing.
//   - The same fact told twice moves money once: an event's id is derived from
//     its meaning (EventID), and cumulative counters count by their growth.
//   - For any order of arrival the balances end equal, because each rule aims
//     at a target that depends on what is known and not on when it became
//     known. Where a source gives neither time nor counter (see RefundWord)
//     the order of arrival is all there is, and the rules say so.
//   - One currency an order; an amount in another is flagged, not counted.
//   - Refunds and disputes never change whether an order is paid.
//   - A dispute's stages move no money; money is moved by its own events.
//
// Balances are sums over payments, refunds and disputes, so that no event has
// to repeat a running total.
package order
