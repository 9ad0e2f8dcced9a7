-- Disputes without an outcome: their stage, what is disputed, what they hold, and until when the merchant may answer.
WITH known AS (
  SELECT dispute_id, order_id, revision, event_type, h.recorded_at, h.occurred_at, data
  FROM @history AS h CROSS JOIN LATERAL (SELECT data->>'dispute_id' AS dispute_id) AS d
  WHERE dispute_id IS NOT NULL
), corrected AS (
  SELECT a->>'dispute_id' AS dispute_id, order_id,
    sum(CASE a->>'direction' WHEN 'increase' THEN (a->'amount'->>'amount')::numeric ELSE -(a->'amount'->>'amount')::numeric END) AS exposure
  FROM @history AS h CROSS JOIN LATERAL jsonb_array_elements(
    CASE WHEN event_type = 'LedgerCorrectionRecorded' AND jsonb_typeof(data->'adjustments') = 'array' THEN data->'adjustments' END) AS a
  WHERE a->>'balance' = 'dispute_held' GROUP BY 1, 2
), steps AS (
  SELECT order_id, dispute_id,
    (array_agg(event_type ORDER BY occurred_at DESC, revision DESC) FILTER (WHERE data ? 'stage'))[1] AS last_step,
    (array_agg(data->'amount'->>'amount' ORDER BY occurred_at DESC, revision DESC) FILTER (WHERE data ? 'stage' AND data ? 'amount'))[1]::numeric AS disputed,
    min(occurred_at) AS since,
    (array_agg(data->>'respond_by' ORDER BY revision DESC) FILTER (WHERE data->>'respond_by' IS NOT NULL))[1] AS respond_by,
    bool_or(event_type = 'DisputeResolved') AS resolved,
    coalesce(sum(CASE event_type WHEN 'DisputeFundsWithdrawn' THEN (data->'amount'->>'amount')::numeric
                                 WHEN 'DisputeFundsReinstated' THEN -(data->'amount'->>'amount')::numeric END), 0) AS exposure
  FROM known GROUP BY 1, 2
)
SELECT order_id, dispute_id, o.source, o.source_account, o.currency, s.last_step, s.disputed, s.exposure + coalesce(c.exposure, 0) AS exposure, s.since::text AS since, s.respond_by,
  ((s.respond_by::timestamptz AT TIME ZONE 'UTC')::date - @today) AS days_left
FROM steps AS s JOIN ledger.orders AS o USING (order_id) LEFT JOIN corrected AS c USING (order_id, dispute_id)
WHERE NOT s.resolved AND (@source::text IS NULL OR o.source = @source) AND (@source_account::text IS NULL OR o.source_account = @source_account)
  AND (@entity::text IS NULL OR s.order_id IN (SELECT order_id FROM @lines AS l))
ORDER BY s.respond_by NULLS LAST, s.since, dispute_id
