// Package decta translates what a DECTA gate (also sold as Cardaq, Appla-X and
// others, API v0.6) tells about orders into the ledger's facts: the bodies of
// its webhooks and of its answers to GET /orders/{id}/, which are the same
// Order object in different degrees of completeness.
//
// A gateway order is one payment with several attempts; it is captured at most
// once, however often its status says "paid". Facts come from three places:
//
//   - status_changes, the gate's own history: each entry has its key
//     "decta:{order}:status:{status}:{time}:{n}", so the whole list is translated
//     every time and what is known drops out. A body without it, or whose history
//     lags behind, has its present status at "modified". The name of the event
//     decides nothing: only that it tells a refused operation from a failed one.
//   - cumulative counters (amount_refunded, amount_reversed, chargebacks…): they
//     are reported as totals, and the ledger counts their growth.
//   - times that are set once (paid, captured, settled), in seconds since 1970.
//
// Money is read from the raw number; an amount with too many digits, or a
// negative one, makes the body uncountable: it is recorded and moves nothing. So
// does an amount in a body that names no currency. A body may leave its amounts
// out; the ledger then takes those that it knows. Other parts that cannot be read
// are flagged, and the rest counts.
//
// Orders that send money out, by their type or because they were "created", are
// told in payouts' words alone.
//
// Kept are codes, never texts: descriptions of errors may name the customer.
package decta
