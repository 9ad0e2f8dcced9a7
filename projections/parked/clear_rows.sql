-- Removes the parts of a live order, which are written anew.
WITH
  p AS (DELETE FROM ledger_data.payments WHERE order_id = $1),
  r AS (DELETE FROM ledger_data.refunds WHERE order_id = $1),
  d AS (DELETE FROM ledger_data.disputes WHERE order_id = $1)
DELETE FROM ledger_data.dispute_timeline WHERE order_id = $1
