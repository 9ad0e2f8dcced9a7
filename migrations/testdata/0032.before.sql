-- Nothing was kept of earlier rebuilds.
DO $$
BEGIN
  ASSERT to_regclass('ledger_control.rebuild_log') IS NULL;
END
$$;
