-- The audit trail and the journal have parts, by the order: a rebuild fills a part in one transaction, and need not log the rows of it.
--
-- Tables that hold rows, which nobody writes meanwhile, stay whole until the rebuild that follows makes new ones: a large ledger does not wait for all rows to be copied twice.
LOCK TABLE ledger_data.order_history, ledger_data.journal_lines IN ACCESS EXCLUSIVE MODE;
DO $$
DECLARE
  name text;
  holds boolean;
  views text[];
  indexes text[];
  statement text;
BEGIN
  FOREACH name IN ARRAY ARRAY['order_history', 'journal_lines'] LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM ledger_data.%I)', name) INTO holds;
    CONTINUE WHEN holds;
    views := ARRAY(SELECT DISTINCT format('CREATE OR REPLACE VIEW %s AS %s', w.ev_class::regclass, pg_get_viewdef(w.ev_class))
      FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
      WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ('ledger_data.' || name)::regclass);
    indexes := ARRAY(SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE i.indrelid = ('ledger_data.' || name)::regclass);
    EXECUTE format('ALTER TABLE ledger_data.%I RENAME TO whole', name);
    EXECUTE format('CREATE TABLE ledger_data.%I (LIKE ledger_data.whole INCLUDING ALL EXCLUDING INDEXES) PARTITION BY HASH (order_id)', name);
    FOR n IN 0..7 LOOP
      EXECUTE format('CREATE TABLE ledger_data.%1$I PARTITION OF ledger_data.%2$I FOR VALUES WITH (MODULUS 8, REMAINDER %3$s)', name || '_' || n, name, n);
      FOREACH statement IN ARRAY indexes LOOP
        EXECUTE replace(statement, name, name || '_' || n);
      END LOOP;
      EXECUTE format('ALTER TABLE ledger_data.%1$I ADD PRIMARY KEY USING INDEX %2$I', name || '_' || n, name || '_' || n || '_pkey');
    END LOOP;
    -- Triggers are of a statement, which may name the table or a part.
    FOR statement IN SELECT regexp_replace(pg_get_triggerdef(t.oid), ' ON \S+', ' ON ledger_data.' || named)
      FROM pg_trigger t, (SELECT name AS named UNION ALL SELECT name || '_' || n FROM generate_series(0, 7) n) all_of
      WHERE t.tgrelid = 'ledger_data.whole'::regclass AND NOT t.tgisinternal LOOP
      EXECUTE statement;
    END LOOP;
    FOREACH statement IN ARRAY views LOOP
      EXECUTE statement;
    END LOOP;
    DROP TABLE ledger_data.whole;
  END LOOP;
END
$$;
