-- A payout that its lines do not make is a mismatch again.
DROP VIEW ledger.settlement_lines, ledger.settlement_payouts;
CREATE VIEW ledger.settlement_payouts AS
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
  CASE WHEN n.lines_net <> s.cost THEN 'MISMATCH' WHEN s.by_gateway = s.by_bank THEN 'MATCHED'
    WHEN s.by_gateway IS NULL OR s.by_bank IS NULL THEN 'UNMATCHED' ELSE 'MISMATCH' END AS status,
  CASE WHEN n.lines_net <> s.cost THEN 'lines_differ' WHEN s.by_gateway = s.by_bank THEN NULL WHEN s.by_bank IS NULL THEN 'missing_at_bank'
    WHEN s.by_gateway IS NULL THEN 'missing_at_gateway' ELSE 'amount_differs' END AS reason,
  n.lines_net
FROM sides AS s LEFT JOIN nets AS n USING (source, source_account, settlement_ref, currency);

CREATE VIEW ledger.settlement_lines AS
WITH newest AS (
  SELECT DISTINCT ON (statement_id, line) * FROM ledger.settlement_results ORDER BY statement_id, line, position DESC
), bookings AS (
  SELECT DISTINCT ON (statement_id, line) * FROM ledger_data.statement_bookings ORDER BY statement_id, line, position DESC
)
SELECT l.statement_id, l.line, l.file_line, s.source, s.source_account, s.side, l.kind, l.reference, l.other_references,
  l.settlement_ref, l.value_date, l.currency, l.gross, l.fee, l.net,
  CASE WHEN k.of_payout THEN coalesce(p.status, 'UNMATCHED') ELSE coalesce(r.status, 'PENDING') END AS status,
  CASE WHEN NOT k.of_payout THEN r.reason WHEN l.settlement_ref IS NULL THEN 'no_reference' ELSE p.reason END AS reason,
  r.order_id, r.payment_id, r.refund_id, r.dispute_id, r.booked, s.recorded_at, r.recorded_at AS decided_at,
  l.settled, l.settled_currency,
  CASE WHEN k.incoming THEN coalesce(l.settled, l.gross) ELSE -coalesce(l.settled, l.gross) END - coalesce(l.fee, 0) AS moved,
  CASE WHEN NOT b.released THEN b.booked_as END AS booked_as
FROM ledger_data.statement_lines AS l
JOIN ledger_data.statements AS s USING (statement_id)
CROSS JOIN LATERAL (SELECT l.kind IN ('payout', 'payout_reversal') AS of_payout,
  l.kind IN ('payment', 'refund_reversal', 'chargeback_reversal', 'fee_reversal', 'disbursement_reversal') OR l.kind = CASE s.side WHEN 'bank' THEN 'payout' ELSE 'payout_reversal' END AS incoming) AS k
LEFT JOIN newest AS r ON r.statement_id = l.statement_id AND r.line = l.line AND NOT k.of_payout
LEFT JOIN bookings AS b ON b.statement_id = l.statement_id AND b.line = l.line
LEFT JOIN ledger.settlement_payouts AS p ON k.of_payout AND p.source = s.source AND p.source_account = s.source_account
  AND p.settlement_ref = l.settlement_ref AND p.currency = l.currency
WHERE EXISTS (SELECT FROM ledger_data.statement_passes AS done WHERE done.statement_id = s.statement_id);
COMMENT ON VIEW ledger.settlement_payouts IS
  'Payouts of gateways to the bank, by the gateway''s name for them: what its statements say against what the bank''s say.';
COMMENT ON COLUMN ledger.settlement_payouts.source IS 'The gateway.';
COMMENT ON COLUMN ledger.settlement_payouts.source_account IS 'The merchant account at the gateway.';
COMMENT ON COLUMN ledger.settlement_payouts.settlement_ref IS 'The gateway''s name for the payout.';
COMMENT ON COLUMN ledger.settlement_payouts.currency IS 'ISO 4217 code of the amounts.';
COMMENT ON COLUMN ledger.settlement_payouts.by_gateway IS 'Paid out by the gateway''s statements, major units; NULL when they do not have it.';
COMMENT ON COLUMN ledger.settlement_payouts.by_bank IS 'Received by the bank''s statements, major units; NULL when they do not have it.';
COMMENT ON COLUMN ledger.settlement_payouts.paid_on IS 'Value date at the gateway.';
COMMENT ON COLUMN ledger.settlement_payouts.received_on IS 'Value date at the bank.';
COMMENT ON COLUMN ledger.settlement_payouts.status IS 'MATCHED, MISMATCH (the amounts differ) or UNMATCHED (one side has it).';
COMMENT ON COLUMN ledger.settlement_payouts.reason IS 'missing_at_bank, missing_at_gateway or amount_differs; NULL when it matches.';
COMMENT ON COLUMN ledger.settlement_payouts.reason IS
  'lines_differ (its lines do not make it, fees included), missing_at_bank, missing_at_gateway or amount_differs; NULL when it matches.';
COMMENT ON COLUMN ledger.settlement_payouts.lines_net IS 'What the gateway''s lines that name the payout add up to, fees taken off, major units; NULL when none does.';
COMMENT ON VIEW ledger.settlement_lines IS
  'Every line of every imported statement, with what is known of it now.';
COMMENT ON COLUMN ledger.settlement_lines.statement_id IS 'The statement.';
COMMENT ON COLUMN ledger.settlement_lines.line IS 'Number of the line in it, from 1.';
COMMENT ON COLUMN ledger.settlement_lines.file_line IS 'Where it stands in the file, from 1.';
COMMENT ON COLUMN ledger.settlement_lines.source IS 'The gateway.';
COMMENT ON COLUMN ledger.settlement_lines.source_account IS 'The merchant account at the gateway.';
COMMENT ON COLUMN ledger.settlement_lines.side IS 'gateway or bank.';
COMMENT ON COLUMN ledger.settlement_lines.kind IS 'payment, refund, chargeback, chargeback_reversal, fee or payout.';
COMMENT ON COLUMN ledger.settlement_lines.reference IS 'What the line calls the payment, refund or order; NULL when nothing.';
COMMENT ON COLUMN ledger.settlement_lines.other_references IS 'Further names that the line has.';
COMMENT ON COLUMN ledger.settlement_lines.settlement_ref IS 'The gateway''s name for the payout that it is part of.';
COMMENT ON COLUMN ledger.settlement_lines.value_date IS 'Value date of the line.';
COMMENT ON COLUMN ledger.settlement_lines.currency IS 'ISO 4217 code of the amounts.';
COMMENT ON COLUMN ledger.settlement_lines.gross IS 'Amount of the movement, major units, never negative: the kind tells the direction.';
COMMENT ON COLUMN ledger.settlement_lines.fee IS 'What the gateway kept, major units; NULL where the line does not say.';
COMMENT ON COLUMN ledger.settlement_lines.net IS 'What is left, major units; NULL where the line does not say.';
COMMENT ON COLUMN ledger.settlement_lines.status IS 'MATCHED, MISMATCH (the movement differs), UNMATCHED (no movement), or PENDING (not looked at yet).';
COMMENT ON COLUMN ledger.settlement_lines.reason IS 'Why it does not match; NULL when it does.';
COMMENT ON COLUMN ledger.settlement_lines.order_id IS 'The order; NULL when none is known.';
COMMENT ON COLUMN ledger.settlement_lines.payment_id IS 'The payment; NULL when it is about none.';
COMMENT ON COLUMN ledger.settlement_lines.refund_id IS 'The refund; NULL when it is about none.';
COMMENT ON COLUMN ledger.settlement_lines.dispute_id IS 'The dispute; NULL when it is about none.';
COMMENT ON COLUMN ledger.settlement_lines.booked IS 'What our books say of a movement that differs, major units.';
COMMENT ON COLUMN ledger.settlement_lines.recorded_at IS 'When the statement was imported (UTC).';
COMMENT ON COLUMN ledger.settlement_lines.decided_at IS 'When the status was found out (UTC); NULL for payouts, which follow from both statements.';
COMMENT ON VIEW ledger.settlement_lines IS
  'Every line of every imported statement, with what is known of it now; those of an import that was interrupted show when it is finished.';
COMMENT ON COLUMN ledger.settlement_lines.kind IS
  'payment, refund, chargeback, fee, disbursement (of a payout order) or payout, or what takes one back: payment_reversal and so on.';
COMMENT ON COLUMN ledger.settlement_lines.fee IS 'What the gateway kept, major units, in settled_currency if there is one; NULL where the line does not say.';
COMMENT ON COLUMN ledger.settlement_lines.net IS 'What is left, major units, in settled_currency if there is one; NULL where the line does not say.';
COMMENT ON COLUMN ledger.settlement_lines.settled IS 'What gross came to in the currency of the account, major units; NULL where that is the same.';
COMMENT ON COLUMN ledger.settlement_lines.settled_currency IS 'ISO 4217 code of settled, fee and net; NULL where they are in currency.';
COMMENT ON COLUMN ledger.settlement_lines.moved IS 'What the line moved on the account that the statement is about, fee included, major units; negative went out.';
COMMENT ON COLUMN ledger.settlement_lines.booked_as IS 'As what it is booked without an order: fee, payout or suspense; NULL when it is not, or was released.';
