-- The journal is that of one entity again.
ALTER TABLE ledger_data.journal_lines DROP COLUMN entity;
