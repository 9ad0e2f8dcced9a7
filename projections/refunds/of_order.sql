-- The refunds of one order.
SELECT
  order_id, refund_id, coalesce(payment_id, ''), coalesce(source_refund_id, ''), status,
  coalesce(currency, ''), amount::text, coalesce(reason_code, ''), initiated_at, resolved_at,
  last_recorded_at,
  coalesce(revision, 0), coalesce(position, 0),
  coalesce(event_id, '00000000-0000-0000-0000-000000000000')
FROM ledger.refunds
WHERE order_id = $1
ORDER BY last_recorded_at, refund_id
