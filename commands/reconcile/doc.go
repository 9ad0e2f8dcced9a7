// Package reconcile finds out what webhooks did not tell. It follows the log for orders of accounts
// whose API it may call, asks the gateways about those that are not final, and hands the answers to
// the same intake as webhooks: what they say is translated, decided and recorded in the same way.
//
// An order is asked about soon after something happened to it, then at doubling intervals. Calls are
// paced by the client of each account, and one account's troubles do not hold up another's.
//
// The clocks live here too. When time has passed that should not have passed (a hold near its end, a
// refund without an outcome), the gateway is asked first; if its answer does not settle the matter,
// an alarm is recorded on the order. A clock never states a gateway's fact: no order expires and no
// hold ends because ours said so (domain rule A16).
//
// Nothing is kept but what the log tells again after a restart; no database is needed.
package reconcile
