-- They do.
DO $$ BEGIN
  ASSERT (SELECT base_account FROM ledger.accounts WHERE account = '311000') = '1200';
  ASSERT NOT EXISTS (SELECT FROM ledger.journal_lines WHERE account = '1200');
END $$;
UPDATE ledger_chart.accounts SET code = '1200' WHERE base_account = '1200';
