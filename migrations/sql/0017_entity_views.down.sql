-- The views of the books tell no entity again.

DROP VIEW ledger.journal_lines, ledger.account_balances, ledger.trial_balance;

CREATE VIEW ledger.journal_lines AS
SELECT
  l.order_id || '-' || l.revision AS entry_id, l.event_id, l.order_id, l.revision, l.posting_date, l.value_date,
  l.recorded_at, a.code AS account, l.currency,
  CASE WHEN l.amount > 0 THEN l.amount ELSE 0 END AS debit,
  CASE WHEN l.amount < 0 THEN -l.amount ELSE 0 END AS credit,
  l.source, l.source_account, l.posting_date <> l.value_date AS late_posting, l.position, l.line, l.account AS base_account
FROM ledger_data.journal_lines AS l JOIN ledger_chart.accounts AS a ON a.base_account = l.account;
COMMENT ON VIEW ledger.journal_lines IS
  'Every posting of every customer order and payout, in double entry. An entry is what one event posts; its debits are its credits, per currency. Lines are never changed.';
COMMENT ON COLUMN ledger.journal_lines.entry_id IS 'The entry: the order''s id and the revision of the event.';
COMMENT ON COLUMN ledger.journal_lines.event_id IS 'The event that posted it.';
COMMENT ON COLUMN ledger.journal_lines.order_id IS 'Our id of the order or payout (ULID).';
COMMENT ON COLUMN ledger.journal_lines.revision IS 'Number of the event within its order, counted from 0.';
COMMENT ON COLUMN ledger.journal_lines.posting_date IS 'The day on which it counts: the value date, or the first open day when that day was closed already.';
COMMENT ON COLUMN ledger.journal_lines.value_date IS 'The day on which it happened (UTC).';
COMMENT ON COLUMN ledger.journal_lines.recorded_at IS 'When the ledger learnt it (UTC).';
COMMENT ON COLUMN ledger.journal_lines.account IS 'Code of the account; see ledger.accounts.';
COMMENT ON COLUMN ledger.journal_lines.currency IS 'ISO 4217 code of debit and credit.';
COMMENT ON COLUMN ledger.journal_lines.debit IS 'Debited, major units; 0 when credit is not.';
COMMENT ON COLUMN ledger.journal_lines.credit IS 'Credited, major units; 0 when debit is not.';
COMMENT ON COLUMN ledger.journal_lines.source IS 'The gateway: decta, everifin or connectpay; or manual.';
COMMENT ON COLUMN ledger.journal_lines.source_account IS 'The merchant account at the gateway.';
COMMENT ON COLUMN ledger.journal_lines.late_posting IS 'Whether it happened in a period that was closed when the ledger learnt it.';
COMMENT ON COLUMN ledger.journal_lines.position IS 'Commit position of the event in the log.';
COMMENT ON COLUMN ledger.journal_lines.line IS 'Number of the line within its entry, from 1.';
COMMENT ON COLUMN ledger.journal_lines.base_account IS 'Code of the account in the chart without configuration; never changes.';

CREATE VIEW ledger.account_balances AS
SELECT l.source, l.source_account, a.code AS account, a.name, a.type, l.currency,
  sum(CASE WHEN l.amount > 0 THEN l.amount ELSE 0 END) AS debit,
  sum(CASE WHEN l.amount < 0 THEN -l.amount ELSE 0 END) AS credit,
  sum(l.amount) AS balance
FROM ledger_data.journal_lines AS l JOIN ledger_chart.accounts AS a ON a.base_account = l.account
GROUP BY l.source, l.source_account, a.code, a.name, a.type, l.currency;
COMMENT ON VIEW ledger.account_balances IS
  'What is on every account now, per gateway account and currency. Balances of one currency sum to zero.';
COMMENT ON COLUMN ledger.account_balances.source IS 'The gateway: decta, everifin or connectpay; or manual.';
COMMENT ON COLUMN ledger.account_balances.source_account IS 'The merchant account at the gateway.';
COMMENT ON COLUMN ledger.account_balances.account IS 'Code of the account.';
COMMENT ON COLUMN ledger.account_balances.name IS 'What people call it.';
COMMENT ON COLUMN ledger.account_balances.type IS 'asset, liability, income, expense or memo.';
COMMENT ON COLUMN ledger.account_balances.currency IS 'ISO 4217 code of the amounts.';
COMMENT ON COLUMN ledger.account_balances.debit IS 'All debits, major units.';
COMMENT ON COLUMN ledger.account_balances.credit IS 'All credits, major units.';
COMMENT ON COLUMN ledger.account_balances.balance IS 'debit - credit, major units; negative is a credit balance.';

CREATE VIEW ledger.trial_balance AS
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
COMMENT ON VIEW ledger.trial_balance IS
  'Per month of posting, account, gateway account and currency: opening balance, movements, closing balance. Months without movements have no row. Movements of one month and currency sum to zero.';
COMMENT ON COLUMN ledger.trial_balance.period IS 'The month, like 2026-10.';
COMMENT ON COLUMN ledger.trial_balance.source IS 'The gateway: decta, everifin or connectpay; or manual.';
COMMENT ON COLUMN ledger.trial_balance.source_account IS 'The merchant account at the gateway.';
COMMENT ON COLUMN ledger.trial_balance.account IS 'Code of the account.';
COMMENT ON COLUMN ledger.trial_balance.name IS 'What people call it.';
COMMENT ON COLUMN ledger.trial_balance.type IS 'asset, liability, income, expense or memo.';
COMMENT ON COLUMN ledger.trial_balance.currency IS 'ISO 4217 code of the amounts.';
COMMENT ON COLUMN ledger.trial_balance.opening IS 'Balance before the month, major units; negative is a credit balance.';
COMMENT ON COLUMN ledger.trial_balance.debit IS 'Debits of the month, major units.';
COMMENT ON COLUMN ledger.trial_balance.credit IS 'Credits of the month, major units.';
COMMENT ON COLUMN ledger.trial_balance.closing IS 'opening + debit - credit, major units.';
