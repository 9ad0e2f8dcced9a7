-- Orders of all categories, chosen by a seed: the same seed chooses the same ones.
SELECT order_id FROM (
  SELECT order_id FROM ledger_data.orders
  UNION
  SELECT order_id FROM ledger_data.test_orders
  UNION
  SELECT order_id FROM ledger_data.payouts
) AS o
ORDER BY md5($1 || order_id), order_id
LIMIT $2
