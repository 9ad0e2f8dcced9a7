-- A row written as a projector writes it, and the starting point of the checkpoint.
INSERT INTO ledger_data.orders (order_id, source, source_account, currency, amount_due, captured, refunded,
  payment_state, refund_state, dispute_state, lifecycle, first_recorded_at, last_recorded_at, revision, position)
VALUES ('01ORDER', 'decta', 'default', 'EUR', 96.56, 100.00, 10.00,
  'PAID', 'PARTIAL', 'NONE', 'OPEN', '2026-11-20T10:00:00Z', '2026-11-20T10:05:00Z', 4, 1234);
DO $$
BEGIN
  ASSERT (SELECT flags = '{}' AND source_order_id IS NULL AND settled = 0 FROM ledger_data.orders),
    'defaults of an order';
  ASSERT (SELECT epoch = 0 AND commit_position IS NULL AND prepare_position IS NULL FROM ledger_data.checkpoint),
    'the checkpoint starts at the start of the log';
END
$$;
