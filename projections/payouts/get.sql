-- One payout order.
SELECT
  order_id, source, source_account, coalesce(source_order_id, ''),
  coalesce(merchant_reference, ''), coalesce(currency, ''), amount::text, paid_out::text,
  payout_state, flags, first_recorded_at, last_recorded_at, revision, position,
  coalesce(event_id, '00000000-0000-0000-0000-000000000000')
FROM ledger.payouts
WHERE order_id = $1
ORDER BY order_id
