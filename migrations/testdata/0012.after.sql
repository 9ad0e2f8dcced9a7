-- A line needs an amount that is not below zero and a kind that is known; a statement is of a gateway or a bank.
INSERT INTO ledger_data.statements (statement_id, position, event_id, recorded_at, actor, source, source_account, side, format, file_sha256, lines, window_days)
VALUES ('s1', 60, '00000000-0000-5000-8000-000000000011', now(), 'kim', 'decta', 'default', 'gateway', 'csv', '00ff', 2, 14);
INSERT INTO ledger_data.statement_lines (statement_id, line, file_line, kind, reference, other_references, settlement_ref, value_date, currency, gross, fee, net, position)
VALUES ('s1', 1, 2, 'payment', 'pay-1', '{}', 'PO-1', '2026-10-16', 'EUR', 96.56, 1.90, 94.66, 59),
       ('s1', 2, 3, 'payout', NULL, '{}', 'PO-1', '2026-10-17', 'EUR', 94.66, NULL, NULL, 59);
DO $$
BEGIN
  BEGIN
    INSERT INTO ledger_data.statement_lines (statement_id, line, file_line, kind, other_references, value_date, currency, gross, position)
    VALUES ('s1', 3, 4, 'payment', '{}', '2026-10-16', 'EUR', -1, 59);
    ASSERT false, 'a line below zero was taken';
  EXCEPTION WHEN check_violation THEN NULL;
  END;
  BEGIN
    UPDATE ledger_data.statements SET side = 'merchant';
    ASSERT false, 'a statement of nobody was taken';
  EXCEPTION WHEN check_violation THEN NULL;
  END;
END
$$;
