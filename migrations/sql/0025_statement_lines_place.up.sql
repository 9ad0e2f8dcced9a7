-- Lines of statements are found by the place of their event in the log, as all rows of what belongs to no order are.
CREATE INDEX statement_lines_position_idx ON ledger_data.statement_lines (position);
