-- Both sides have both payouts; one is not what its lines make.
DO $$
BEGIN
  ASSERT (SELECT status = 'MATCHED' AND reason IS NULL AND NOT lines_differ FROM ledger.settlement_payouts WHERE settlement_ref = 'PO-241'), 'PO-241';
  ASSERT (SELECT lines_net = 10 AND status = 'MATCHED' AND reason IS NULL AND lines_differ FROM ledger.settlement_payouts WHERE settlement_ref = 'PO-242'), 'PO-242';
END
$$;
DELETE FROM ledger_data.statement_passes WHERE statement_id IN ('g1', 'g2');
DELETE FROM ledger_data.statement_lines WHERE statement_id IN ('g1', 'g2', 'g3');
DELETE FROM ledger_data.statements WHERE statement_id IN ('g1', 'g2', 'g3');
