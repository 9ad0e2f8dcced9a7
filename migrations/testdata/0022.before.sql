-- A line from before.
INSERT INTO ledger_data.statement_lines (statement_id, line, file_line, kind, other_references, value_date, currency, gross, position)
VALUES ('b20', 1, 2, 'payment', '{}', '2026-10-16', 'EUR', 1, 59);
