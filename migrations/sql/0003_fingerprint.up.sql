-- Rows tell which version of the program made them, so that another version notices that they have another meaning.
ALTER TABLE ledger_data.checkpoint ADD COLUMN fingerprint jsonb;
COMMENT ON COLUMN ledger_data.checkpoint.fingerprint IS
  'Digest of each part of the program that decides what a row means, by name. NULL while nothing was projected; rows without it were made by an unknown version.';
