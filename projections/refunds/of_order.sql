-- The refunds of one order.
SELECT
  order_id, refund_id, coalesce(payment_id, ''), coalesce(source_refund_id, ''), status,
  coalesce(currency, ''), amount::text, coalesce(reason_code, ''), initiated_at, resolved_at,
  last_recorded_at
FROM ledger.refunds
WHERE order_id = $1
ORDER BY last_recorded_at, refund_id
