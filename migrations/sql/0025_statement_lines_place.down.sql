-- Lines of statements are found by their statement only.
DROP INDEX ledger_data.statement_lines_position_idx;
