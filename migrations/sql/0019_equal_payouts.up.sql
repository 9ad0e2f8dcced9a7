-- A payout in equal parts counts as often as one statement has it: only what statements repeat of each other counts once.
CREATE OR REPLACE VIEW ledger.settlement_payouts AS
WITH payouts AS (
  SELECT DISTINCT s.source, s.source_account, s.side, l.settlement_ref, l.currency, l.value_date, l.gross, row_number() OVER (
    PARTITION BY l.statement_id, l.settlement_ref, l.currency, l.value_date, l.gross ORDER BY l.line) AS nth
  FROM ledger_data.statement_lines AS l JOIN ledger_data.statements AS s USING (statement_id)
  WHERE l.kind = 'payout' AND l.settlement_ref IS NOT NULL
), sides AS (
  SELECT source, source_account, settlement_ref, currency,
    sum(gross) FILTER (WHERE side = 'gateway') AS by_gateway, sum(gross) FILTER (WHERE side = 'bank') AS by_bank,
    min(value_date) FILTER (WHERE side = 'gateway') AS paid_on, min(value_date) FILTER (WHERE side = 'bank') AS received_on
  FROM payouts GROUP BY 1, 2, 3, 4
)
SELECT source, source_account, settlement_ref, currency, by_gateway, by_bank, paid_on, received_on,
  CASE WHEN by_gateway = by_bank THEN 'MATCHED' WHEN by_gateway IS NULL OR by_bank IS NULL THEN 'UNMATCHED' ELSE 'MISMATCH' END AS status,
  CASE WHEN by_gateway = by_bank THEN NULL WHEN by_bank IS NULL THEN 'missing_at_bank'
    WHEN by_gateway IS NULL THEN 'missing_at_gateway' ELSE 'amount_differs' END AS reason
FROM sides;
