-- How one payment came to be what it is: the gateway's newest word for it, and when it began and was confirmed.
SELECT
  coalesce((array_agg(metadata ->> 'source_status' ORDER BY occurred_at DESC, revision DESC)
    FILTER (WHERE metadata ->> 'source_status' <> ''))[1], ''),
  min(occurred_at), min(occurred_at) FILTER (WHERE event_type = 'PaymentConfirmed')
FROM ledger.order_history
WHERE order_id = $1 AND data ->> 'payment_id' = $2 AND event_type LIKE 'Payment%'
ORDER BY 1
