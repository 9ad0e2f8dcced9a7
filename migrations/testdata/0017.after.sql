-- Balances of two entities stay apart.
UPDATE ledger_data.period_changes SET entity = entity;
INSERT INTO ledger_data.journal_lines (order_id, revision, line, position, event_id, posting_date, value_date, recorded_at, account, currency, amount, source, source_account, entity)
SELECT 'NEW', 0, line, 888889, gen_random_uuid(), '2026-10-01', '2026-10-01', now(), CASE line WHEN 1 THEN '1100' ELSE '1200' END, 'EUR',
  CASE line WHEN 1 THEN 7 ELSE -7 END, 'decta', 'default', 'baltics' FROM generate_series(1, 2) AS line;
DO $$ BEGIN
  ASSERT (SELECT balance FROM ledger.account_balances WHERE entity = 'baltics' AND account = '1100') = 7;
  ASSERT (SELECT closing FROM ledger.trial_balance WHERE entity = 'baltics' AND account = '1100') = 7;
  ASSERT (SELECT count(*) FROM ledger.journal_lines WHERE entity = 'baltics') = 2;
END $$;
DELETE FROM ledger_data.journal_lines WHERE order_id IN ('OLD', 'NEW');
