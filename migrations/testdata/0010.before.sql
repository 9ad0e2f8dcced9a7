-- A part of an entry can be deleted.
DO $$ BEGIN ASSERT to_regclass('ledger_data.accounts') IS NOT NULL; END $$;
