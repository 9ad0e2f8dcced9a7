-- Payments whose outcome the gateway cannot tell, and calls of ours to a gateway whose answer was lost.
WITH known AS (
  SELECT order_id, revision, event_type, occurred_at, coalesce(data->>'payment_id', '') AS payment_id, data
  FROM ledger.order_history
  WHERE (@as_of::timestamptz IS NULL OR recorded_at <= @as_of)
    AND (@as_at::date IS NULL OR (occurred_at AT TIME ZONE 'UTC')::date <= @as_at)
)
SELECT o.source, o.source_account, u.order_id, u.payment_id, 'payment' AS what, o.currency, u.occurred_at::text AS since
FROM known AS u JOIN ledger.orders AS o USING (order_id)
WHERE u.event_type = 'PaymentOutcomeUnknown' AND NOT EXISTS (
  SELECT FROM known AS l WHERE l.order_id = u.order_id AND l.payment_id = u.payment_id AND l.revision > u.revision
    AND l.event_type IN ('PaymentCaptured', 'PaymentAttemptFailed', 'PaymentSettled', 'PaymentExpired', 'PaymentWithdrawn', 'PaymentAbandoned'))
UNION ALL
SELECT o.source, o.source_account, f.order_id, '', 'our call', o.currency, f.occurred_at::text
FROM known AS f JOIN ledger.orders AS o USING (order_id)
WHERE f.event_type = 'AnomalyFlagged' AND f.data->>'code' = 'gateway_outcome_unknown' AND NOT EXISTS (
  SELECT FROM known AS r WHERE r.order_id = f.order_id AND r.revision > f.revision AND r.event_type = 'AnomalyResolved'
    AND r.data->>'code' = 'gateway_outcome_unknown')
ORDER BY since, order_id
