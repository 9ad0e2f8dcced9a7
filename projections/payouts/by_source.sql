-- The payout orders that a gateway knows by this id.
SELECT order_id FROM ledger.payouts WHERE source = $1 AND source_order_id = $2 ORDER BY order_id LIMIT $3
