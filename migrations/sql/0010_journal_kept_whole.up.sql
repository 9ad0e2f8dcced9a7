-- Lines of the journal go only with their whole entry; the chart is no longer kept with the tables.
DROP TABLE ledger_data.accounts;

CREATE FUNCTION ledger_data.refuse_parts() RETURNS trigger
  LANGUAGE plpgsql AS
$$
DECLARE
  out_of_balance record;
BEGIN
  SELECT j.order_id, j.revision, j.currency, sum(j.amount) AS difference INTO out_of_balance
    FROM ledger_data.journal_lines AS j
    WHERE (j.order_id, j.position) IN (SELECT g.order_id, g.position FROM gone AS g)
    GROUP BY j.order_id, j.revision, j.position, j.currency HAVING sum(j.amount) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'what is left of the entry of order % at revision % is out of balance by % %', out_of_balance.order_id,
      out_of_balance.revision, out_of_balance.difference, out_of_balance.currency
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_lines_balanced';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER journal_lines_go_whole AFTER DELETE ON ledger_data.journal_lines
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION ledger_data.refuse_parts();
