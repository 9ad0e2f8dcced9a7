-- Both parts count, each once.
DO $$
BEGIN
  ASSERT (SELECT by_gateway = 80 AND by_bank = 80 AND status = 'MATCHED' FROM ledger.settlement_payouts WHERE settlement_ref = 'PO-19'), 'both parts';
END
$$;
DELETE FROM ledger_data.statement_lines WHERE settlement_ref = 'PO-19';
DELETE FROM ledger_data.statements WHERE statement_id IN ('e1', 'e2', 'e3');
