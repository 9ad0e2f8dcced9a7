-- What is done to tables is kept, and nothing else.
DO $$
BEGIN
  INSERT INTO ledger_control.rebuild_log (doing, tables, asked_by, host) VALUES ('swap', 'ledger_data_next', 'somebody', 'here');
  BEGIN
    INSERT INTO ledger_control.rebuild_log (doing, tables, asked_by, host) VALUES ('sing', 'ledger_data_next', 'somebody', 'here');
    ASSERT false, 'something else was kept';
  EXCEPTION WHEN check_violation THEN NULL;
  END;
  DELETE FROM ledger_control.rebuild_log;
END
$$;
