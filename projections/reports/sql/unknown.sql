-- Payments whose outcome the gateway cannot tell, and calls of ours to a gateway whose answer was lost.
WITH known AS (
  SELECT order_id, revision, event_type, occurred_at, coalesce(data->>'payment_id', '') AS payment_id, data
  FROM @history AS h
), found AS (
  SELECT u.order_id, u.payment_id, 'payment' AS what, u.occurred_at
  FROM known AS u
  WHERE u.event_type = 'PaymentOutcomeUnknown' AND NOT EXISTS (
    SELECT FROM known AS l WHERE l.order_id = u.order_id AND l.payment_id = u.payment_id AND l.revision > u.revision
      AND l.event_type IN ('PaymentAuthorized', 'PaymentConfirmed', 'PaymentCaptured', 'PaymentSettled', 'PaymentReversed',
        'PaymentAttemptFailed', 'PaymentExpired', 'PaymentWithdrawn', 'PaymentAbandoned'))
  UNION ALL
  SELECT f.order_id, '', 'our call', f.occurred_at
  FROM known AS f
  WHERE f.event_type = 'AnomalyFlagged' AND f.data->>'code' = 'gateway_outcome_unknown' AND NOT EXISTS (
    SELECT FROM known AS r WHERE r.order_id = f.order_id AND r.revision > f.revision AND r.event_type = 'AnomalyResolved'
      AND r.data->>'code' = 'gateway_outcome_unknown')
)
SELECT o.source, o.source_account, order_id, payment_id, what, o.currency, occurred_at::text AS since
FROM found JOIN ledger.orders AS o USING (order_id)
WHERE (@source::text IS NULL OR o.source = @source) AND (@source_account::text IS NULL OR o.source_account = @source_account)
ORDER BY since, order_id, payment_id
