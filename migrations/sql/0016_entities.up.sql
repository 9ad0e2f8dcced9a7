-- Whose books a line of the journal is in: a legal entity's.
ALTER TABLE ledger_data.journal_lines ADD COLUMN entity text NOT NULL DEFAULT 'default';
