-- Orders of all categories, chosen by a seed: the same seed chooses the same ones.
SELECT order_id FROM (
  SELECT order_id FROM orders
  UNION
  SELECT order_id FROM test_orders
  UNION
  SELECT order_id FROM payouts
) AS o
ORDER BY md5($1 || order_id), order_id
LIMIT $2
