-- The rows that tables hold about one order, without its audit trail and journal.
SELECT 'orders', '', to_jsonb(r)::text FROM orders AS r WHERE order_id = $1
UNION ALL SELECT 'test_orders', '', to_jsonb(r)::text FROM test_orders AS r WHERE order_id = $1
UNION ALL SELECT 'payouts', '', to_jsonb(r)::text FROM payouts AS r WHERE order_id = $1
UNION ALL SELECT 'payments', payment_id, to_jsonb(r)::text FROM payments AS r WHERE order_id = $1
UNION ALL SELECT 'refunds', refund_id, to_jsonb(r)::text FROM refunds AS r WHERE order_id = $1
UNION ALL SELECT 'disputes', dispute_id, to_jsonb(r)::text FROM disputes AS r WHERE order_id = $1
UNION ALL SELECT 'dispute_timeline', dispute_id || '.' || seq, to_jsonb(r)::text FROM dispute_timeline AS r WHERE order_id = $1
ORDER BY 1, 2
