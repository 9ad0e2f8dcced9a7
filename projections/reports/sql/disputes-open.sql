-- Disputes without an outcome: their stage, what they hold, and until when the merchant may answer.
WITH known AS (
  SELECT dispute_id, order_id, revision, event_type, h.recorded_at, h.occurred_at, data
  FROM ledger.order_history AS h CROSS JOIN LATERAL (SELECT data->>'dispute_id' AS dispute_id) AS d
  WHERE dispute_id IS NOT NULL AND (@as_of::timestamptz IS NULL OR h.recorded_at <= @as_of)
    AND (@as_at::date IS NULL OR (h.occurred_at AT TIME ZONE 'UTC')::date <= @as_at)
), steps AS (
  SELECT order_id, dispute_id,
    (array_agg(event_type ORDER BY occurred_at DESC, revision DESC) FILTER (WHERE data ? 'stage'))[1] AS last_step,
    min(occurred_at) AS since,
    max(data->>'respond_by') AS respond_by,
    bool_or(event_type = 'DisputeResolved') AS resolved,
    coalesce(sum(CASE event_type WHEN 'DisputeFundsWithdrawn' THEN (data->'amount'->>'amount')::numeric
                                 WHEN 'DisputeFundsReinstated' THEN -(data->'amount'->>'amount')::numeric END), 0) AS exposure
  FROM known GROUP BY 1, 2
)
SELECT s.order_id, s.dispute_id, o.source, o.source_account, o.currency, s.last_step, s.exposure, s.since::text AS since, s.respond_by
FROM steps AS s JOIN ledger.orders AS o USING (order_id)
WHERE NOT s.resolved ORDER BY s.respond_by NULLS LAST, s.since, s.dispute_id
