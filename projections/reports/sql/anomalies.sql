-- The work list: what is flagged on orders and not resolved, notifications in quarantine, and orders that are parked.
-- Without a clock the flags are those of the orders now. Flags that hold at a moment without an event of their own
-- (amount_pending, due_unknown, gateway_state_mismatch) are part of that only.
WITH known AS (
  SELECT h.order_id, h.revision, h.event_type, h.occurred_at, h.data, f.code
  FROM @history AS h
  CROSS JOIN LATERAL (
    SELECT h.data->>'code' AS code WHERE h.event_type IN ('AnomalyFlagged', 'AnomalyResolved')
    UNION SELECT jsonb_array_elements_text(h.metadata->'flags') WHERE jsonb_typeof(h.metadata->'flags') = 'array' AND h.event_type <> 'AnomalyResolved'
  ) AS f
  WHERE NOT EXISTS (SELECT FROM ledger.test_orders AS t WHERE t.order_id = h.order_id)
), raised AS (
  SELECT DISTINCT ON (order_id, code) order_id, code, CASE event_type WHEN 'AnomalyFlagged' THEN data->>'detail' END AS detail, occurred_at
  FROM known AS f
  WHERE event_type <> 'AnomalyResolved' AND NOT EXISTS (
    SELECT FROM known AS r WHERE r.order_id = f.order_id AND r.code = f.code AND r.revision > f.revision AND r.event_type = 'AnomalyResolved')
  ORDER BY order_id, code, (event_type = 'AnomalyFlagged') DESC, revision DESC
), exposed AS (
  SELECT order_id, 'exposure_exceeds_captured' AS code, max(value_date)::timestamp AT TIME ZONE 'UTC' AS occurred_at
  FROM @all_lines AS l WHERE base_account IN ('1010', '1100', '1110', '5200', '5210', '2100')
    AND NOT EXISTS (SELECT FROM ledger.payouts AS p WHERE p.order_id = l.order_id)
  GROUP BY order_id HAVING sum(debit - credit) < 0
), now_flagged AS (
  SELECT o.order_id, f.code, r.detail, coalesce(r.occurred_at, o.last_recorded_at) AS occurred_at
  FROM (SELECT order_id, flags, last_recorded_at FROM ledger.orders UNION ALL SELECT order_id, flags, last_recorded_at FROM ledger.payouts) AS o
  CROSS JOIN LATERAL unnest(o.flags) AS f(code) LEFT JOIN raised AS r ON r.order_id = o.order_id AND r.code = f.code
  WHERE @now AND f.code <> 'parked'
), flagged AS (
  SELECT order_id, code, detail, occurred_at FROM now_flagged
  UNION ALL SELECT order_id, code, detail, occurred_at FROM raised WHERE NOT @now
  UNION ALL SELECT order_id, code, NULL, occurred_at FROM exposed
  WHERE NOT @now AND NOT EXISTS (SELECT FROM raised AS r WHERE r.order_id = exposed.order_id AND r.code = exposed.code)
)
SELECT 'order' AS kind, f.order_id AS id, coalesce(o.source, p.source) AS source, coalesce(o.source_account, p.source_account) AS source_account,
  f.code, f.detail, f.occurred_at::text AS since
FROM flagged AS f LEFT JOIN ledger.orders AS o USING (order_id) LEFT JOIN ledger.payouts AS p USING (order_id)
WHERE (@source::text IS NULL OR coalesce(o.source, p.source) = @source)
  AND (@source_account::text IS NULL OR coalesce(o.source_account, p.source_account) = @source_account)
UNION ALL
SELECT 'quarantine', notification_id, source, source_account, code, detail, received_at::text FROM ledger.quarantine
WHERE (@up_to::bigint IS NULL OR position <= @up_to) AND (@as_of::timestamptz IS NULL OR received_at <= @as_of) AND (@as_at::date IS NULL OR (received_at AT TIME ZONE 'UTC')::date <= @as_at)
  AND (@source::text IS NULL OR source = @source) AND (@source_account::text IS NULL OR source_account = @source_account)
UNION ALL
SELECT 'parked', k.order_id, o.source, o.source_account, 'parked', reason, since::text
FROM ledger.parked_orders AS k LEFT JOIN ledger.orders AS o USING (order_id)
WHERE (@up_to::bigint IS NULL OR k.position <= @up_to) AND (@as_of::timestamptz IS NULL OR since <= @as_of) AND (@as_at::date IS NULL OR (since AT TIME ZONE 'UTC')::date <= @as_at)
  AND (@source::text IS NULL OR o.source = @source) AND (@source_account::text IS NULL OR o.source_account = @source_account)
ORDER BY since, id, code
