// Package orders is the read model behind the views ledger.orders and ledger.test_orders: one row per
// order that collects money, with its balances and its public states.
package orders
