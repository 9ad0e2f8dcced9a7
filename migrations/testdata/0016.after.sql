-- Those that stood are the default entity's.
DO $$ BEGIN ASSERT (SELECT count(*) FROM ledger_data.journal_lines WHERE order_id = 'OLD' AND entity = 'default') = 2; END $$;
