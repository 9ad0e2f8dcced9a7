-- Payments, refunds, chargebacks and paid payout orders of our books that no statement shows; late ones are past the window of their account.
WITH facts AS (
  SELECT order_id, event_type, occurred_at, data FROM @history AS h
  WHERE event_type IN ('PaymentCaptured', 'PaymentReversed', 'RefundCompleted', 'RefundReversed', 'DisputeFundsWithdrawn',
    'DisputeFundsReinstated', 'LedgerCorrectionRecorded', 'SettlementMatched', 'PayoutCompleted', 'PayoutReversed')
), moved AS (
  SELECT order_id, occurred_at, 0 AS matched,
    CASE WHEN event_type LIKE 'Payment%' THEN 'payment' WHEN event_type LIKE 'Refund%' THEN 'refund'
      WHEN event_type LIKE 'Payout%' THEN 'disbursement' WHEN event_type = 'DisputeFundsWithdrawn' THEN 'chargeback' ELSE 'chargeback_reversal' END AS kind,
    CASE WHEN event_type LIKE 'Payment%' THEN data->>'payment_id' WHEN event_type LIKE 'Refund%' THEN data->>'refund_id'
      WHEN event_type LIKE 'Payout%' THEN order_id ELSE data->>'dispute_id' END AS id,
    (data->'amount'->>'amount')::numeric * CASE WHEN event_type IN ('PaymentReversed', 'RefundReversed', 'PayoutReversed') THEN -1 ELSE 1 END AS booked
  FROM facts WHERE event_type NOT IN ('LedgerCorrectionRecorded', 'SettlementMatched')
  UNION ALL
  SELECT order_id, occurred_at, 0,
    CASE WHEN a->>'balance' IN ('captured', 'reversed') THEN 'payment' WHEN a->>'balance' = 'refunded' THEN 'refund' ELSE 'chargeback' END,
    coalesce(a->>'refund_id', a->>'dispute_id', a->>'payment_id'),
    (a->'amount'->>'amount')::numeric * CASE WHEN (a->>'direction' = 'decrease') <> (a->>'balance' = 'reversed') THEN -1 ELSE 1 END
  FROM facts CROSS JOIN LATERAL jsonb_array_elements(data->'adjustments') AS a
  WHERE event_type = 'LedgerCorrectionRecorded' AND a->>'balance' IN ('captured', 'reversed', 'refunded', 'dispute_held')
  UNION ALL
  SELECT order_id, occurred_at, (data->'amount'->>'amount')::numeric * CASE WHEN k.taken_back THEN -1 ELSE 1 END,
    CASE WHEN k.taken_back THEN replace(data->>'kind', '_reversal', '') ELSE data->>'kind' END,
    coalesce(data->>'refund_id', data->>'dispute_id', data->>'payment_id', order_id), 0
  FROM facts CROSS JOIN LATERAL (SELECT data->>'kind' LIKE '%\_reversal' AND data->>'kind' <> 'chargeback_reversal' AS taken_back) AS k
  WHERE event_type = 'SettlementMatched' AND data->>'kind' NOT IN ('fee', 'fee_reversal')
), open AS (
  SELECT order_id, kind, id, sum(booked) AS booked, sum(matched) AS on_statements,
    (min(occurred_at) FILTER (WHERE matched = 0) AT TIME ZONE 'UTC')::date AS since
  FROM moved GROUP BY 1, 2, 3 HAVING sum(booked) <> sum(matched)
), windows AS (
  SELECT source, source_account, max(window_days) AS days FROM ledger.settlement_statements
  WHERE (@as_of::timestamptz IS NULL OR recorded_at <= @as_of) AND (@up_to::bigint IS NULL OR position <= @up_to) GROUP BY 1, 2
)
SELECT p.order_id, o.source, o.source_account, p.kind, p.id, o.source_order_id, o.currency, p.booked, p.on_statements,
  p.booked - p.on_statements AS open, p.since::text AS since, @today - p.since AS days, @today - p.since > coalesce(w.days, 14) AS late
FROM open AS p JOIN (
  SELECT order_id, source, source_account, source_order_id, currency FROM ledger.orders
  UNION ALL SELECT order_id, source, source_account, source_order_id, currency FROM ledger.payouts) AS o USING (order_id) LEFT JOIN windows AS w USING (source, source_account)
WHERE (@source::text IS NULL OR o.source = @source) AND (@source_account::text IS NULL OR o.source_account = @source_account)
  AND (@entity::text IS NULL OR p.order_id IN (SELECT order_id FROM @lines AS l))
ORDER BY since, order_id, kind, id
