-- The audit trail and the journal have no parts.
DO $$
DECLARE
  name text;
  views text[];
  indexes text[];
  statement text;
BEGIN
  FOREACH name IN ARRAY ARRAY['order_history', 'journal_lines'] LOOP
    CONTINUE WHEN (SELECT c.relkind <> 'p' FROM pg_class c WHERE c.oid = ('ledger_data.' || name)::regclass);
    views := ARRAY(SELECT DISTINCT format('CREATE OR REPLACE VIEW %s AS %s', w.ev_class::regclass, pg_get_viewdef(w.ev_class))
      FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
      WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ('ledger_data.' || name)::regclass);
    indexes := ARRAY(SELECT replace(pg_get_indexdef(i.indexrelid), name || '_0', name) FROM pg_index i
      WHERE i.indrelid = ('ledger_data.' || name || '_0')::regclass);
    EXECUTE format('ALTER TABLE ledger_data.%I RENAME TO parted', name);
    EXECUTE format('CREATE TABLE ledger_data.%I (LIKE ledger_data.parted INCLUDING ALL)', name);
    EXECUTE format('INSERT INTO ledger_data.%I SELECT * FROM ledger_data.parted', name);
    FOREACH statement IN ARRAY indexes LOOP
      EXECUTE statement;
    END LOOP;
    EXECUTE format('ALTER TABLE ledger_data.%1$I ADD PRIMARY KEY USING INDEX %2$I', name, name || '_pkey');
    FOR statement IN SELECT regexp_replace(pg_get_triggerdef(t.oid), ' ON \S+', ' ON ledger_data.' || name)
      FROM pg_trigger t WHERE t.tgrelid = 'ledger_data.parted'::regclass AND NOT t.tgisinternal LOOP
      EXECUTE statement;
    END LOOP;
    FOREACH statement IN ARRAY views LOOP
      EXECUTE statement;
    END LOOP;
    DROP TABLE ledger_data.parted;
  END LOOP;
END
$$;
