-- The views of the books tell the entity.

CREATE OR REPLACE VIEW ledger.journal_lines AS
SELECT
  l.order_id || '-' || l.revision AS entry_id, l.event_id, l.order_id, l.revision, l.posting_date, l.value_date,
  l.recorded_at, a.code AS account, l.currency,
  CASE WHEN l.amount > 0 THEN l.amount ELSE 0 END AS debit,
  CASE WHEN l.amount < 0 THEN -l.amount ELSE 0 END AS credit,
  l.source, l.source_account, l.posting_date <> l.value_date AS late_posting, l.position, l.line, l.account AS base_account, l.entity
FROM ledger_data.journal_lines AS l JOIN ledger_chart.accounts AS a ON a.base_account = l.account;
COMMENT ON COLUMN ledger.journal_lines.entity IS 'Whose books it is in: a legal entity.';
COMMENT ON COLUMN ledger.journal_lines.value_date IS 'The day on which it happened, in the time zone of the entity.';

CREATE OR REPLACE VIEW ledger.account_balances AS
SELECT l.source, l.source_account, a.code AS account, a.name, a.type, l.currency,
  sum(CASE WHEN l.amount > 0 THEN l.amount ELSE 0 END) AS debit,
  sum(CASE WHEN l.amount < 0 THEN -l.amount ELSE 0 END) AS credit,
  sum(l.amount) AS balance, l.entity
FROM ledger_data.journal_lines AS l JOIN ledger_chart.accounts AS a ON a.base_account = l.account
GROUP BY l.source, l.source_account, a.code, a.name, a.type, l.currency, l.entity;
COMMENT ON COLUMN ledger.account_balances.entity IS 'Whose books: a legal entity.';

CREATE OR REPLACE VIEW ledger.trial_balance AS
WITH movements AS (
  SELECT date_trunc('month', l.posting_date)::date AS first_day, l.source, l.source_account, a.code, a.name, a.type, l.currency, l.entity,
    sum(CASE WHEN l.amount > 0 THEN l.amount ELSE 0 END) AS debit,
    sum(CASE WHEN l.amount < 0 THEN -l.amount ELSE 0 END) AS credit,
    sum(l.amount) AS moved
  FROM ledger_data.journal_lines AS l JOIN ledger_chart.accounts AS a ON a.base_account = l.account
  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
)
SELECT to_char(m.first_day, 'YYYY-MM') AS period, m.source, m.source_account, m.code AS account, m.name, m.type, m.currency,
  sum(m.moved) OVER w - m.moved AS opening, m.debit, m.credit, sum(m.moved) OVER w AS closing, m.entity
FROM movements AS m
WINDOW w AS (PARTITION BY m.entity, m.source, m.source_account, m.code, m.currency ORDER BY m.first_day);
COMMENT ON COLUMN ledger.trial_balance.entity IS 'Whose books: a legal entity.';
