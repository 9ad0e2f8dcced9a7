-- The payments of one order.
SELECT
  order_id, payment_id, coalesce(source_payment_id, ''), coalesce(method, ''), status,
  coalesce(currency, ''), amount::text, captured::text, settled::text,
  coalesce(reason_code, ''), last_occurred_at
FROM ledger.payments
WHERE order_id = $1
ORDER BY last_occurred_at, payment_id
