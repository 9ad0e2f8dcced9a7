-- A payout is compared with its lines; what was not finished is not seen; the chart has the new accounts.
DO $$
BEGIN
  ASSERT (SELECT count(*) FROM ledger_chart.accounts) = 24, 'the chart';
  ASSERT (SELECT lines_net = 93 AND status = 'MATCHED' AND reason IS NULL FROM ledger.settlement_payouts WHERE settlement_ref = 'PO-21'), 'PO-21';
  ASSERT (SELECT lines_net = 10 AND status = 'MISMATCH' AND reason = 'lines_differ' FROM ledger.settlement_payouts WHERE settlement_ref = 'PO-22'), 'PO-22';
  ASSERT NOT EXISTS (SELECT FROM ledger.settlement_lines WHERE statement_id = 'f3'), 'not finished';
  ASSERT (SELECT moved = 98 FROM ledger.settlement_lines WHERE statement_id = 'f1' AND line = 1), 'moved in';
  ASSERT (SELECT moved = -93 FROM ledger.settlement_lines WHERE statement_id = 'f1' AND line = 3), 'moved out';
  ASSERT (SELECT moved = 93 FROM ledger.settlement_lines WHERE statement_id = 'f2' AND line = 1), 'arrived';
END
$$;
DELETE FROM ledger_data.statement_passes WHERE statement_id IN ('f1', 'f2');
DELETE FROM ledger_data.statement_lines WHERE statement_id IN ('f1', 'f2', 'f3');
DELETE FROM ledger_data.statements WHERE statement_id IN ('f1', 'f2', 'f3');
