-- The views do not tell.
DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'ledger.journal_lines'::regclass AND attname = 'entity'); END $$;
