-- The views of the books show the configured chart; a closing is one row; what the journal stores is shown too.

CREATE OR REPLACE VIEW ledger.journal_lines AS
SELECT
  l.order_id || '-' || l.revision AS entry_id, l.event_id, l.order_id, l.revision, l.posting_date, l.value_date,
  l.recorded_at, a.code AS account, l.currency,
  CASE WHEN l.amount > 0 THEN l.amount ELSE 0 END AS debit,
  CASE WHEN l.amount < 0 THEN -l.amount ELSE 0 END AS credit,
  l.source, l.source_account, l.posting_date <> l.value_date AS late_posting, l.position, l.line, l.account AS base_account
FROM ledger_data.journal_lines AS l JOIN ledger_chart.accounts AS a ON a.base_account = l.account;
COMMENT ON COLUMN ledger.journal_lines.base_account IS 'Code of the account in the chart without configuration; never changes.';

CREATE OR REPLACE VIEW ledger.accounts AS SELECT code AS account, name, type, base_account FROM ledger_chart.accounts;
COMMENT ON COLUMN ledger.accounts.base_account IS 'Code of the account in the chart without configuration; never changes.';

CREATE OR REPLACE VIEW ledger.account_balances AS
SELECT l.source, l.source_account, a.code AS account, a.name, a.type, l.currency,
  sum(CASE WHEN l.amount > 0 THEN l.amount ELSE 0 END) AS debit,
  sum(CASE WHEN l.amount < 0 THEN -l.amount ELSE 0 END) AS credit,
  sum(l.amount) AS balance
FROM ledger_data.journal_lines AS l JOIN ledger_chart.accounts AS a ON a.base_account = l.account
GROUP BY l.source, l.source_account, a.code, a.name, a.type, l.currency;

CREATE OR REPLACE VIEW ledger.trial_balance AS
WITH movements AS (
  SELECT date_trunc('month', l.posting_date)::date AS first_day, l.source, l.source_account, a.code, a.name, a.type, l.currency,
    sum(CASE WHEN l.amount > 0 THEN l.amount ELSE 0 END) AS debit,
    sum(CASE WHEN l.amount < 0 THEN -l.amount ELSE 0 END) AS credit,
    sum(l.amount) AS moved
  FROM ledger_data.journal_lines AS l JOIN ledger_chart.accounts AS a ON a.base_account = l.account
  GROUP BY 1, 2, 3, 4, 5, 6, 7
)
SELECT to_char(m.first_day, 'YYYY-MM') AS period, m.source, m.source_account, m.code AS account, m.name, m.type, m.currency,
  sum(m.moved) OVER w - m.moved AS opening, m.debit, m.credit, sum(m.moved) OVER w AS closing
FROM movements AS m
WINDOW w AS (PARTITION BY m.source, m.source_account, m.code, m.currency ORDER BY m.first_day);

CREATE OR REPLACE VIEW ledger.periods AS
SELECT entity, to_char(period, 'YYYY-MM') AS period, CASE WHEN closed THEN 'CLOSED' ELSE 'REOPENED' END AS change,
  recorded_at, actor, approver, reason, trial_balance_sha256, up_to, event_id, position
FROM ledger_data.period_changes AS c
-- A month is locked first, and closed with the digest of what was locked: the second says both.
WHERE NOT closed OR trial_balance_sha256 IS NOT NULL OR NOT EXISTS (
  SELECT FROM ledger_data.period_changes AS n
  WHERE n.entity = c.entity AND n.period = c.period AND n.position > c.position AND n.trial_balance_sha256 IS NOT NULL);
