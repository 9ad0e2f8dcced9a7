-- Removes the parts of a live order, which are written anew.
WITH
  p AS (DELETE FROM payments WHERE order_id = $1),
  r AS (DELETE FROM refunds WHERE order_id = $1),
  d AS (DELETE FROM disputes WHERE order_id = $1)
DELETE FROM dispute_timeline WHERE order_id = $1
