-- Orders whose gateway reports another payment state than ours (gateway_state_mismatch).
WITH facts AS (
  SELECT order_id, revision, event_type, occurred_at, data, metadata FROM @history AS h
  WHERE event_type IN ('GatewayOrderStatusObserved', 'OrderRegistered', 'OrderAmountChanged', 'PaymentCaptured', 'PaymentReversed',
    'OrderPaidExternally', 'LedgerCorrectionRecorded')
), told AS ( -- a status without a time of the gateway's own cannot be compared with ours
  SELECT DISTINCT ON (order_id) order_id, data->>'status' AS status, occurred_at FROM facts
  WHERE event_type = 'GatewayOrderStatusObserved' AND metadata->>'occurred_at_basis' <> 'received'
  ORDER BY order_id, occurred_at DESC, revision DESC
), due AS (
  SELECT DISTINCT ON (order_id) order_id, (coalesce(data->'new_amount_due', data->'amount_due')->>'amount')::numeric AS amount FROM facts
  WHERE event_type IN ('OrderRegistered', 'OrderAmountChanged') AND coalesce(data->'new_amount_due', data->'amount_due')->>'amount' IS NOT NULL
  ORDER BY order_id, revision DESC
), movements AS (
  SELECT order_id, CASE event_type WHEN 'PaymentCaptured' THEN occurred_at END AS captured_at,
    (data->'amount'->>'amount')::numeric * CASE event_type WHEN 'PaymentReversed' THEN -1 ELSE 1 END AS amount
  FROM facts WHERE event_type IN ('PaymentCaptured', 'PaymentReversed', 'OrderPaidExternally')
  UNION ALL
  SELECT order_id, NULL, (a->'amount'->>'amount')::numeric * CASE WHEN (a->>'direction' = 'decrease') <> (a->>'balance' = 'reversed') THEN -1 ELSE 1 END
  FROM facts CROSS JOIN LATERAL jsonb_array_elements(data->'adjustments') AS a
  WHERE event_type = 'LedgerCorrectionRecorded' AND a->>'balance' IN ('captured', 'reversed', 'received_externally')
), paid AS (
  SELECT order_id, sum(amount) AS amount, max(captured_at) AS captured_at FROM movements GROUP BY order_id
), states AS (
  SELECT t.order_id, t.status AS gateways, t.occurred_at, d.amount AS amount_due, coalesce(p.amount, 0) AS gross_paid,
    CASE WHEN d.amount IS NULL THEN CASE WHEN coalesce(p.amount, 0) > 0 THEN 'PARTIALLY_PAID' ELSE 'UNPAID' END
      WHEN coalesce(p.amount, 0) >= d.amount THEN 'PAID' WHEN coalesce(p.amount, 0) > 0 THEN 'PARTIALLY_PAID' ELSE 'UNPAID' END AS ours
  FROM told AS t LEFT JOIN due AS d USING (order_id) LEFT JOIN paid AS p USING (order_id)
  WHERE t.status IN ('UNPAID', 'PARTIALLY_PAID', 'PAID') AND (p.captured_at IS NULL OR p.captured_at <= t.occurred_at)
)
SELECT s.order_id, o.source, o.source_account, o.source_order_id, s.ours, s.gateways, s.occurred_at::text AS reported_at,
  o.currency, s.amount_due, s.gross_paid
FROM states AS s JOIN ledger.orders AS o USING (order_id)
WHERE s.ours <> s.gateways AND (@source::text IS NULL OR o.source = @source) AND (@source_account::text IS NULL OR o.source_account = @source_account)
ORDER BY reported_at, s.order_id
