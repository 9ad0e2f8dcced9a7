-- A set of tables beside the live one has its stage, one of the known ones, and forgets its units with itself.
INSERT INTO ledger_control.rebuilds (tables, stage, target_commit, target_prepare, fingerprint)
VALUES ('ledger_data_next', 'LOADING', 10, 10, '{}');
INSERT INTO ledger_control.rebuild_units (tables, unit, events) VALUES ('ledger_data_next', 0, 5);
DO $$
BEGIN
  BEGIN
    UPDATE ledger_control.rebuilds SET stage = 'DONE';
    ASSERT false, 'an unknown stage was taken';
  EXCEPTION WHEN check_violation THEN NULL;
  END;
  UPDATE ledger_control.rebuilds SET tables = 'ledger_data_before';
  ASSERT (SELECT count(*) = 1 FROM ledger_control.rebuild_units WHERE tables = 'ledger_data_before'), 'units follow their tables';
  DELETE FROM ledger_control.rebuilds;
  ASSERT (SELECT count(*) = 0 FROM ledger_control.rebuild_units), 'units go with their tables';
END
$$;
