-- Lines of the journal are of nobody.
INSERT INTO ledger_data.journal_lines (order_id, revision, line, position, event_id, posting_date, value_date, recorded_at, account, currency, amount, source, source_account)
SELECT 'OLD', 0, line, 888888, gen_random_uuid(), '2026-10-01', '2026-10-01', now(), CASE line WHEN 1 THEN '1100' ELSE '1200' END, 'EUR',
  CASE line WHEN 1 THEN 5 ELSE -5 END, 'decta', 'default' FROM generate_series(1, 2) AS line;
