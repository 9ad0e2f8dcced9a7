-- Nothing of the ledger is there.
DO $$
BEGIN
  ASSERT to_regnamespace('ledger_data') IS NULL, 'schema ledger_data exists';
END
$$;
