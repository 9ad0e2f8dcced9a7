-- The views of the books do not show the configured chart.
UPDATE ledger_chart.accounts SET code = '311000' WHERE base_account = '1200';
DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM ledger.accounts WHERE account = '311000'); END $$;
