-- It cannot; a whole entry can.
INSERT INTO ledger_data.journal_lines (order_id, revision, line, position, event_id, posting_date, value_date, recorded_at, account, currency, amount, source, source_account)
SELECT 'WHOLE', 0, line, 999999, gen_random_uuid(), '2026-10-01', '2026-10-01', now(), CASE line WHEN 1 THEN '1100' ELSE '1200' END, 'EUR',
  CASE line WHEN 1 THEN 5 ELSE -5 END, 'decta', 'default' FROM generate_series(1, 2) AS line;
DO $$
BEGIN
  BEGIN
    DELETE FROM ledger_data.journal_lines WHERE order_id = 'WHOLE' AND line = 1;
    ASSERT false, 'half an entry was deleted';
  EXCEPTION WHEN check_violation THEN NULL;
  END;
  DELETE FROM ledger_data.journal_lines WHERE order_id = 'WHOLE';
  ASSERT NOT EXISTS (SELECT FROM ledger_data.journal_lines WHERE order_id = 'WHOLE');
END $$;
