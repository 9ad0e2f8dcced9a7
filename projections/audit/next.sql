-- A page of the orders of all categories, by id.
SELECT order_id FROM (
  (SELECT order_id FROM orders WHERE order_id > $1 ORDER BY order_id LIMIT $2)
  UNION
  (SELECT order_id FROM test_orders WHERE order_id > $1 ORDER BY order_id LIMIT $2)
  UNION
  (SELECT order_id FROM payouts WHERE order_id > $1 ORDER BY order_id LIMIT $2)
) AS o
ORDER BY order_id
LIMIT $2
