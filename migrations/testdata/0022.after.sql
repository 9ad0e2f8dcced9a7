-- It stays; a reversal is known, an exchange below zero is not.
DO $$
BEGIN
  ASSERT (SELECT settled IS NULL FROM ledger_data.statement_lines WHERE statement_id = 'b20'), 'an old line has no exchange';
  INSERT INTO ledger_data.statement_lines (statement_id, line, file_line, kind, other_references, value_date, currency, gross, position, settled, settled_currency)
  VALUES ('b20', 2, 3, 'refund_reversal', '{}', '2026-10-16', 'EUR', 1, 59, 1.08, 'USD');
  BEGIN
    INSERT INTO ledger_data.statement_lines (statement_id, line, file_line, kind, other_references, value_date, currency, gross, position, settled)
    VALUES ('b20', 3, 4, 'payment', '{}', '2026-10-16', 'EUR', 1, 59, -1);
    ASSERT false, 'an exchange below zero was taken';
  EXCEPTION WHEN check_violation THEN NULL;
  END;
  BEGIN
    INSERT INTO ledger_data.statement_bookings VALUES (1, '00000000-0000-5000-8000-000000000051', 'settlement-booked-1', 0, 'b20', 1, 'gift', false, 'default', NULL, now(), 'kim');
    ASSERT false, 'a line was booked as nothing';
  EXCEPTION WHEN check_violation THEN NULL;
  END;
END
$$;
DELETE FROM ledger_data.statement_lines WHERE statement_id = 'b20';
