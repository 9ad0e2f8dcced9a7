-- One order, live or test.
SELECT
  order_id, source, source_account, coalesce(source_order_id, ''),
  coalesce(merchant_reference, ''), coalesce(currency, ''), amount_due::text, authorised::text,
  expected::text, captured::text, settled::text, received_externally::text, reversed::text,
  refund_pending::text, refunded::text, dispute_held::text, dispute_lost::text, gross_paid::text,
  net::text, overpaid::text, payment_state, refund_state, dispute_state, lifecycle,
  coalesce(gateway_status, ''), flags, first_recorded_at, last_recorded_at, revision, position,
  coalesce(event_id, '00000000-0000-0000-0000-000000000000'),
  false AS is_test
FROM ledger.orders WHERE order_id = $1
UNION ALL
SELECT
  order_id, source, source_account, coalesce(source_order_id, ''),
  coalesce(merchant_reference, ''), coalesce(currency, ''), amount_due::text, authorised::text,
  expected::text, captured::text, settled::text, received_externally::text, reversed::text,
  refund_pending::text, refunded::text, dispute_held::text, dispute_lost::text, gross_paid::text,
  net::text, overpaid::text, payment_state, refund_state, dispute_state, lifecycle,
  coalesce(gateway_status, ''), flags, first_recorded_at, last_recorded_at, revision, position,
  coalesce(event_id, '00000000-0000-0000-0000-000000000000'),
  true
FROM ledger.test_orders WHERE order_id = $1
ORDER BY is_test
