-- The newest result of a line counts, a payout is compared with the other side, and what nobody looked at is pending.
INSERT INTO ledger_data.order_history (order_id, revision, position, event_id, event_type, occurred_at, recorded_at, source, actor, data, metadata) VALUES
  ('o1', 5, 70, '00000000-0000-5000-8000-000000000021', 'SettlementMismatchFlagged', now(), now(), 'decta', 'kim',
   '{"statement_id":"s1","line":1,"kind":"payment","reason":"amount_differs","amount":{"amount":"96.56","currency":"EUR"},"booked":{"amount":"90.00","currency":"EUR"}}', '{}'),
  ('o1', 6, 71, '00000000-0000-5000-8000-000000000022', 'SettlementMatched', now(), now(), 'decta', 'kim',
   '{"statement_id":"s1","line":1,"kind":"payment","movement":"payment:p1","payment_id":"p1","amount":{"amount":"96.56","currency":"EUR"}}', '{}'),
  ('o1', 7, 72, '00000000-0000-5000-8000-000000000023', 'SettlementMatched', now(), now(), 'nobody', 'nobody', '{"line":"many"}', '{}');
DO $$
BEGIN
  ASSERT (SELECT status = 'MATCHED' AND order_id = 'o1' AND payment_id = 'p1' AND reason IS NULL FROM ledger.settlement_lines WHERE line = 1), 'newest result';
  ASSERT (SELECT status = 'UNMATCHED' AND reason = 'missing_at_bank' FROM ledger.settlement_lines WHERE line = 2), 'payout';
  ASSERT (SELECT count(*) = 2 FROM ledger.settlement_results), 'what nobody can read is no result';
  ASSERT (SELECT NOT complete AND matched IS NULL FROM ledger.settlement_statements), 'not looked at';
END
$$;
DELETE FROM ledger_data.order_history WHERE order_id = 'o1';
