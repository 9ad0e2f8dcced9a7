-- It is still there, of a division that nobody knows; one rebuild tells of its work, and no second one.
DO $$
BEGIN
  ASSERT (SELECT division IS NULL FROM ledger_control.rebuilds WHERE tables = 'ledger_data_next');
  DELETE FROM ledger_control.rebuilds;
  INSERT INTO ledger_control.rebuild_at_work (backend, doing, host, pid) VALUES (1, 'run', 'here', 1);
  BEGIN
    INSERT INTO ledger_control.rebuild_at_work (one, backend, doing, host, pid) VALUES (false, 2, 'run', 'there', 2);
    ASSERT false, 'a second one was taken';
  EXCEPTION WHEN check_violation THEN NULL;
  END;
  DELETE FROM ledger_control.rebuild_at_work;
END
$$;
