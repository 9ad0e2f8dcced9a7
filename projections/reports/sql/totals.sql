-- What came in and went out per day or month of posting, gateway account and currency. The columns add up to net, with what names no order (unattributed); fees come out of it.
WITH cash AS (
  SELECT j.*, h.event_type, debit - credit AS moved, base_account IN ('1010', '1100', '1105', '1110', '1190', '5200', '5210', '5900') AS is_cash
  FROM @lines AS j LEFT JOIN ledger.order_history AS h USING (order_id, revision, position)
  WHERE (@from::date IS NULL OR j.posting_date >= @from) AND (@through::date IS NULL OR j.posting_date <= @through)
)
SELECT CASE WHEN @daily::boolean THEN posting_date::text ELSE to_char(posting_date, 'YYYY-MM') END AS period, source, source_account, currency,
  coalesce(sum(moved) FILTER (WHERE is_cash AND event_type IN ('PaymentCaptured', 'PaymentSettled')), 0) AS captured,
  coalesce(sum(moved) FILTER (WHERE is_cash AND event_type = 'OrderPaidExternally'), 0) AS received_externally,
  coalesce(-sum(moved) FILTER (WHERE is_cash AND event_type = 'PaymentReversed'), 0) AS reversed,
  coalesce(-sum(moved) FILTER (WHERE is_cash AND event_type IN ('RefundCompleted', 'RefundReversed')), 0) AS refunded,
  coalesce(-sum(moved) FILTER (WHERE is_cash AND event_type IN ('DisputeFundsWithdrawn', 'DisputeFundsReinstated')), 0) AS disputed,
  coalesce(-sum(moved) FILTER (WHERE is_cash AND event_type LIKE 'Payout%'), 0) AS paid_out,
  coalesce(sum(moved) FILTER (WHERE is_cash AND event_type NOT LIKE 'Payout%' AND event_type NOT IN ('PaymentCaptured', 'PaymentSettled',
    'OrderPaidExternally', 'PaymentReversed', 'RefundCompleted', 'RefundReversed', 'DisputeFundsWithdrawn', 'DisputeFundsReinstated')), 0) AS corrected,
  coalesce(sum(moved) FILTER (WHERE is_cash), 0) AS net,
  coalesce(sum(moved) FILTER (WHERE base_account IN ('5200', '5210')), 0) AS fees,
  coalesce(sum(moved) FILTER (WHERE is_cash AND event_type IS NULL), 0) AS unattributed
FROM cash GROUP BY 1, 2, 3, 4 HAVING bool_or(is_cash) ORDER BY 1, source COLLATE "C", source_account COLLATE "C", currency
