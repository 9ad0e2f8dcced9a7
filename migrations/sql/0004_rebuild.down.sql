-- Takes the state of rebuilds back, with the tables that stand beside the live ones.
DO $$
DECLARE
  beside ledger_control.rebuilds;
BEGIN
  FOR beside IN SELECT * FROM ledger_control.rebuilds LOOP
    IF beside.views IS NOT NULL THEN
      EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', beside.views);
    END IF;
    EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', beside.tables);
  END LOOP;
END
$$;
DROP SCHEMA ledger_control CASCADE;
