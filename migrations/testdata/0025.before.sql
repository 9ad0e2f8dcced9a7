-- Lines of statements are found by their statement only.
DO $$ BEGIN ASSERT to_regclass('ledger_data.statement_lines_position_idx') IS NULL; END $$;
