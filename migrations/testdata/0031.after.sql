-- It is of its position, as it was.
DO $$
BEGIN
  ASSERT (SELECT recorded_by IS NULL AND target_commit = 10 FROM ledger_control.rebuilds WHERE tables = 'ledger_data_frozen_month');
  DELETE FROM ledger_control.rebuilds;
END
$$;
