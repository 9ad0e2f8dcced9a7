-- Nothing of outgoing webhooks is there.
DO $$ BEGIN ASSERT to_regnamespace('ledger_push') IS NULL; END $$;
