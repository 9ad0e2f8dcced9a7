// Package push delivers what happens to orders to subscribers, as signed HTTP requests (Standard
// Webhooks): outgoing webhooks.
//
// For each subscriber a planner follows the log and writes a delivery for each event that the
// subscriber wants, in the transaction that moves the position up to which it has planned; a dispatcher
// sends what is due. Both work in schema ledger_push of the views' database, which no rebuild touches.
// So every matching event is delivered at least once, whatever is killed when; the webhook-id is the
// event's id, the same for each attempt, for receivers to recognise what they have seen.
//
// What became of deliveries is appended to the log itself, to the stream webhook-{subscriber}. The log
// is authoritative: a planned position belongs to one log, which the digest of the event there proves.
//
//	the event at the planned position     is there ──────────────► go on
//	                                      is not, and the log knows the subscription
//	                                        (restored, copied) ──► plan anew from where it began
//	the database knows no subscription ──────────────────────────► plan anew from where it began
//	the log does not know the subscription ──────────────────────► held back, until an operator resumes
//
// Planning anew sends nothing that the log tells was delivered or discarded, and makes dead letters of
// what it tells was given up.
//
// Subscribers share nothing but the database's connections: one that answers slowly or never delays
// itself alone. What is in memory of a subscriber is bounded by its concurrency, and what is planned by
// BacklogMax: beyond that the planner waits, as the log keeps the rest.
package push
