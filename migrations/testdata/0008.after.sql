-- The configured chart begins as the one with the tables.
DO $$ BEGIN
  ASSERT (SELECT count(*) FROM ledger_data.accounts AS a JOIN ledger_chart.accounts AS c ON c.base_account = a.account AND c.code = a.code AND c.name = a.name AND c.type = a.type) = 19;
  ASSERT (SELECT count(*) FROM ledger_chart.accounts) = 19;
END $$;
