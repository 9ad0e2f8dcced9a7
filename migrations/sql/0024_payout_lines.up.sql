-- Whether a payout is what its lines make is told apart from whether both sides have it.
CREATE OR REPLACE VIEW ledger.settlement_payouts AS
WITH known AS ( -- statements whose lines were all looked at
  SELECT l.*, s.source, s.source_account, s.side
  FROM ledger_data.statement_lines AS l JOIN ledger_data.statements AS s USING (statement_id)
  WHERE l.settlement_ref IS NOT NULL AND EXISTS (SELECT FROM ledger_data.statement_passes AS p WHERE p.statement_id = s.statement_id)
), payouts AS ( -- statements repeat payouts of each other; a statement that has the same amount twice means two
  SELECT DISTINCT source, source_account, side, settlement_ref, currency, value_date, kind, gross, fee, row_number() OVER (
    PARTITION BY statement_id, settlement_ref, currency, value_date, kind, gross, fee ORDER BY line) AS nth
  FROM known WHERE kind IN ('payout', 'payout_reversal')
), sides AS (
  SELECT source, source_account, settlement_ref, currency,
    sum(CASE kind WHEN 'payout' THEN gross ELSE -gross END) FILTER (WHERE side = 'gateway') AS by_gateway,
    sum(CASE kind WHEN 'payout' THEN gross ELSE -gross END) FILTER (WHERE side = 'bank') AS by_bank,
    sum(CASE kind WHEN 'payout' THEN gross ELSE -gross END + coalesce(fee, 0)) FILTER (WHERE side = 'gateway') AS cost,
    min(value_date) FILTER (WHERE side = 'gateway') AS paid_on, min(value_date) FILTER (WHERE side = 'bank') AS received_on
  FROM payouts GROUP BY 1, 2, 3, 4
), parts AS (
  SELECT DISTINCT source, source_account, settlement_ref, coalesce(settled_currency, currency) AS currency, kind, reference, value_date,
    coalesce(settled, gross) AS moved, coalesce(fee, 0) AS fee, row_number() OVER (
      PARTITION BY statement_id, settlement_ref, coalesce(settled_currency, currency), kind, reference, value_date, coalesce(settled, gross), coalesce(fee, 0) ORDER BY line) AS nth
  FROM known WHERE side = 'gateway' AND kind NOT IN ('payout', 'payout_reversal')
), nets AS (
  SELECT source, source_account, settlement_ref, currency,
    sum(CASE WHEN kind IN ('payment', 'refund_reversal', 'chargeback_reversal', 'fee_reversal', 'disbursement_reversal') THEN moved ELSE -moved END - fee) AS lines_net
  FROM parts GROUP BY 1, 2, 3, 4
)
SELECT s.source, s.source_account, s.settlement_ref, s.currency, s.by_gateway, s.by_bank, s.paid_on, s.received_on,
  CASE WHEN s.by_gateway = s.by_bank THEN 'MATCHED' WHEN s.by_gateway IS NULL OR s.by_bank IS NULL THEN 'UNMATCHED' ELSE 'MISMATCH' END AS status,
  CASE WHEN s.by_gateway = s.by_bank THEN NULL WHEN s.by_bank IS NULL THEN 'missing_at_bank'
    WHEN s.by_gateway IS NULL THEN 'missing_at_gateway' ELSE 'amount_differs' END AS reason,
  n.lines_net, n.lines_net <> s.cost AS lines_differ
FROM sides AS s LEFT JOIN nets AS n USING (source, source_account, settlement_ref, currency);
COMMENT ON COLUMN ledger.settlement_payouts.reason IS 'missing_at_bank, missing_at_gateway or amount_differs; NULL when it matches.';
COMMENT ON COLUMN ledger.settlement_payouts.lines_differ IS 'Whether lines_net, and what the payout cost, are not the same; NULL when no line names it, or the gateway has no such payout.';
