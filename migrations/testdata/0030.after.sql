-- Rows stay where they are; the empty table has parts, which the views show and its rules hold for.
DO $$
BEGIN
  ASSERT (SELECT relkind = 'r' FROM pg_class WHERE oid = 'ledger_data.order_history'::regclass), 'rows were copied';
  ASSERT (SELECT count(*) = 2 FROM ledger.order_history WHERE order_id = 'o30'), 'rows are lost';
  ASSERT (SELECT relkind = 'p' FROM pg_class WHERE oid = 'ledger_data.journal_lines'::regclass), 'the journal is whole';
  ASSERT (SELECT count(*) = 8 FROM pg_inherits WHERE inhparent = 'ledger_data.journal_lines'::regclass), 'not eight parts';
  INSERT INTO ledger_data.journal_lines (order_id, revision, line, position, event_id, posting_date, value_date, recorded_at, account, currency, amount, source, source_account, entity)
  SELECT 'o30', 0, n, 3000, '00000000-0000-5000-8000-000000000030', '2026-10-15', '2026-10-15', now(), '1100', 'EUR', 3 - 2 * n, 'decta', 'default', 'default' FROM generate_series(1, 2) AS n;
  ASSERT (SELECT count(*) = 2 FROM ledger.journal_lines WHERE order_id = 'o30'), 'lines are not shown';
  FOR named IN 0..8 LOOP
    BEGIN
      EXECUTE format('DELETE FROM ledger_data.%I WHERE line = 1', CASE named WHEN 8 THEN 'journal_lines' ELSE 'journal_lines_' || named END);
      ASSERT (SELECT count(*) = 2 FROM ledger.journal_lines WHERE order_id = 'o30'), 'a half of an entry went';
    EXCEPTION WHEN check_violation THEN NULL;
    END;
  END LOOP;
  BEGIN
    INSERT INTO ledger_data.journal_lines SELECT * FROM ledger_data.journal_lines WHERE order_id = 'o30';
    ASSERT false, 'an entry was taken twice';
  EXCEPTION WHEN unique_violation THEN NULL;
  END;
END
$$;
