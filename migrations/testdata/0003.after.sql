-- Rows that were there before are of an unknown version.
DO $$
BEGIN
  ASSERT (SELECT fingerprint IS NULL AND commit_position = 10 FROM ledger_data.checkpoint), 'the checkpoint stays, without a fingerprint';
END
$$;
