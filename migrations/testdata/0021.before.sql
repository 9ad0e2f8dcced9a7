-- The views do not tell.
DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'ledger.payments'::regclass AND attname = 'event_id'); END $$;
