-- The payments of one order.
SELECT
  order_id, payment_id, coalesce(source_payment_id, ''), coalesce(method, ''), status,
  coalesce(currency, ''), amount::text, captured::text, settled::text,
  coalesce(reason_code, ''), last_occurred_at,
  coalesce(revision, 0), coalesce(position, 0),
  coalesce(event_id, '00000000-0000-0000-0000-000000000000')
FROM ledger.payments
WHERE order_id = $1
ORDER BY last_occurred_at, payment_id
