-- The payout orders that a merchant knows by this reference.
SELECT order_id FROM ledger.payouts WHERE merchant_reference = $1 ORDER BY order_id LIMIT $2
