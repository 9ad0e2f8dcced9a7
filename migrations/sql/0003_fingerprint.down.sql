-- Rows no longer tell which version of the program made them.
ALTER TABLE ledger_data.checkpoint DROP COLUMN fingerprint;
