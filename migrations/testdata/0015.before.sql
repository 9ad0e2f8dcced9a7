-- The checkpoint is where it was.
DO $$ BEGIN ASSERT to_regclass('ledger_data.outside_writes') IS NULL; END $$;
