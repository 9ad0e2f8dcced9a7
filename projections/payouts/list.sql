-- Payout orders after one of our ids, newest first, as a filter chooses them.
SELECT
  order_id, source, source_account, coalesce(source_order_id, ''),
  coalesce(merchant_reference, ''), coalesce(currency, ''), amount::text, paid_out::text,
  payout_state, flags, first_recorded_at, last_recorded_at, revision, position,
  coalesce(event_id, '00000000-0000-0000-0000-000000000000')
FROM ledger.payouts
WHERE ($1 = '' OR order_id < $1)
  AND ($2 = '' OR payout_state = $2) AND ($3 = '' OR $3 = ANY (flags))
  AND ($4 = '' OR source = $4) AND ($5 = '' OR source_account = $5) AND ($6 = '' OR currency = $6)
  AND ($7 = '' OR merchant_reference = $7) AND ($8 = '' OR source_order_id = $8)
  AND ($9 = '' OR strpos(lower(merchant_reference), lower($9)) > 0 OR strpos(source_order_id, $9) > 0 OR strpos(order_id, upper($9)) > 0)
  AND ($10::timestamptz IS NULL OR first_recorded_at >= $10) AND ($11::timestamptz IS NULL OR first_recorded_at < $11)
ORDER BY order_id DESC LIMIT $12
