-- The tables have rows, as after an upgrade; people can see nothing so far.
DO $$
BEGIN
  ASSERT (SELECT count(*) = 1 FROM ledger_data.orders), 'the row of the step before is still there';
  ASSERT to_regnamespace('ledger') IS NULL, 'schema ledger exists';
END
$$;
