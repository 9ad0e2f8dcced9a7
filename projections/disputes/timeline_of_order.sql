-- Every step of every dispute about one order.
SELECT
  dispute_id, seq, stage, coalesce(currency, ''), amount::text, moved::text, occurred_at,
  recorded_at, coalesce(revision, 0), coalesce(position, 0), event_id
FROM ledger.dispute_timeline
WHERE order_id = $1
ORDER BY dispute_id, seq
