-- The disputes about one order.
SELECT
  order_id, dispute_id, coalesce(payment_id, ''), track, coalesce(stage, ''),
  coalesce(outcome, ''), coalesce(reason_code, ''), coalesce(arn, ''), coalesce(currency, ''),
  disputed_amount::text, held::text, lost::text, respond_by,
  coalesce(revision, 0), coalesce(position, 0),
  coalesce(event_id, '00000000-0000-0000-0000-000000000000')
FROM ledger.disputes
WHERE order_id = $1
ORDER BY dispute_id
