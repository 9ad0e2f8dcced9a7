-- The work list: what was flagged and not resolved, notifications in quarantine, and orders that are parked.
WITH known AS (
  SELECT order_id, revision, event_type, occurred_at, data->>'code' AS code, data->>'detail' AS detail
  FROM ledger.order_history
  WHERE event_type IN ('AnomalyFlagged', 'AnomalyResolved') AND (@as_of::timestamptz IS NULL OR recorded_at <= @as_of)
    AND (@as_at::date IS NULL OR (occurred_at AT TIME ZONE 'UTC')::date <= @as_at)
)
SELECT 'order' AS kind, f.order_id AS id, f.code, f.detail, f.occurred_at::text AS since
FROM known AS f
WHERE f.event_type = 'AnomalyFlagged' AND NOT EXISTS (
  SELECT FROM known AS r WHERE r.order_id = f.order_id AND r.code = f.code AND r.revision > f.revision AND r.event_type = 'AnomalyResolved')
UNION ALL
SELECT 'quarantine', notification_id, code, detail, received_at::text FROM ledger.quarantine
WHERE (@as_of::timestamptz IS NULL OR received_at <= @as_of) AND (@as_at::date IS NULL OR (received_at AT TIME ZONE 'UTC')::date <= @as_at)
UNION ALL
SELECT 'parked', order_id, 'parked', reason, since::text FROM ledger.parked_orders
ORDER BY since, id, code
