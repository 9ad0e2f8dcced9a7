-- A page of the orders of all categories that any table knows, by id.
SELECT order_id FROM (
  (SELECT order_id FROM orders WHERE order_id > $1 ORDER BY order_id LIMIT $2)
  UNION
  (SELECT order_id FROM test_orders WHERE order_id > $1 ORDER BY order_id LIMIT $2)
  UNION
  (SELECT order_id FROM payouts WHERE order_id > $1 ORDER BY order_id LIMIT $2)
  UNION
  (SELECT DISTINCT order_id FROM payments WHERE order_id > $1 ORDER BY order_id LIMIT $2)
  UNION
  (SELECT DISTINCT order_id FROM refunds WHERE order_id > $1 ORDER BY order_id LIMIT $2)
  UNION
  (SELECT DISTINCT order_id FROM disputes WHERE order_id > $1 ORDER BY order_id LIMIT $2)
  UNION
  (SELECT DISTINCT order_id FROM dispute_timeline WHERE order_id > $1 ORDER BY order_id LIMIT $2)
  UNION
  (SELECT DISTINCT order_id FROM order_history WHERE order_id > $1 ORDER BY order_id LIMIT $2)
  UNION
  (SELECT DISTINCT order_id FROM journal_lines WHERE order_id > $1 ORDER BY order_id LIMIT $2)
  UNION
  (SELECT DISTINCT order_id FROM parked_orders WHERE order_id > $1 ORDER BY order_id LIMIT $2)
) AS o
ORDER BY order_id
LIMIT $2
