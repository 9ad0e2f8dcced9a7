-- They are found by their place in the log too.
DO $$ BEGIN ASSERT to_regclass('ledger_data.statement_lines_position_idx') IS NOT NULL; END $$;
