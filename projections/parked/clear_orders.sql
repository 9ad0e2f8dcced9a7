-- Removes the own row of an order, whichever table it is in, to write it again from the log.
WITH
  o AS (DELETE FROM orders WHERE order_id = $1),
  t AS (DELETE FROM test_orders WHERE order_id = $1)
DELETE FROM payouts WHERE order_id = $1
