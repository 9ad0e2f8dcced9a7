-- Orders after one of our ids, newest first, as a filter chooses them.
SELECT
  order_id, source, source_account, coalesce(source_order_id, ''),
  coalesce(merchant_reference, ''), coalesce(currency, ''), amount_due::text, authorised::text,
  expected::text, captured::text, settled::text, received_externally::text, reversed::text,
  refund_pending::text, refunded::text, dispute_held::text, dispute_lost::text, gross_paid::text,
  net::text, overpaid::text, payment_state, refund_state, dispute_state, lifecycle,
  coalesce(gateway_status, ''), flags, first_recorded_at, last_recorded_at, revision, position,
  coalesce(event_id, '00000000-0000-0000-0000-000000000000'),
  false AS is_test
FROM ledger.orders
WHERE ($1 = '' OR order_id < $1)
  AND ($2 = '' OR payment_state = $2) AND ($3 = '' OR refund_state = $3) AND ($4 = '' OR dispute_state = $4)
  AND ($5 = '' OR lifecycle = $5) AND ($6 = '' OR $6 = ANY (flags))
  AND ($7 = '' OR source = $7) AND ($8 = '' OR source_account = $8) AND ($9 = '' OR currency = $9)
  AND ($10 = '' OR merchant_reference = $10)
  AND ($11 = '' OR strpos(lower(merchant_reference), lower($11)) > 0 OR strpos(source_order_id, $11) > 0 OR strpos(order_id, upper($11)) > 0)
  AND ($12::timestamptz IS NULL OR first_recorded_at >= $12) AND ($13::timestamptz IS NULL OR first_recorded_at < $13)
ORDER BY order_id DESC LIMIT $14
