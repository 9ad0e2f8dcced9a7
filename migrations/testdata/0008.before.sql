-- There is one chart, with the tables.
DO $$ BEGIN ASSERT to_regnamespace('ledger_chart') IS NULL; END $$;
