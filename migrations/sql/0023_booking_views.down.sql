-- Reconciliation tells of orders only, again.
DROP VIEW ledger.settlement_bookings, ledger.settlement_statements, ledger.settlement_lines, ledger.settlement_payouts, ledger.settlement_results;
DELETE FROM ledger_chart.accounts WHERE base_account IN ('1105', '1190', '2350', '5900', '9900');

CREATE VIEW ledger.settlement_statements AS
SELECT s.statement_id, s.source, s.source_account, s.side, s.format, s.file_name, s.file_sha256, s.statement_ref,
  s.first_date, s.last_date, s.lines, s.currency, s.opening, s.closing, s.window_days, s.recorded_at, s.actor,
  p.position IS NOT NULL AS complete, p.matched, p.mismatched, p.unmatched, s.event_id, s.position
FROM ledger_data.statements AS s LEFT JOIN LATERAL (
  SELECT * FROM ledger_data.statement_passes WHERE statement_id = s.statement_id ORDER BY position DESC LIMIT 1) AS p ON true;

CREATE VIEW ledger.settlement_results AS
SELECT e.data->>'statement_id' AS statement_id, (e.data->>'line')::integer AS line,
  CASE WHEN e.event_type = 'SettlementMatched' THEN 'MATCHED'
    WHEN e.data->>'reason' IN ('amount_differs', 'currency_differs', 'date_differs', 'already_matched') THEN 'MISMATCH'
    ELSE 'UNMATCHED' END AS status,
  e.data->>'reason' AS reason, e.order_id, e.data->>'payment_id' AS payment_id, e.data->>'refund_id' AS refund_id,
  e.data->>'dispute_id' AS dispute_id, e.data->>'movement' AS movement,
  (e.data->'amount'->>'amount')::numeric AS amount, e.data->'amount'->>'currency' AS currency,
  (e.data->'booked'->>'amount')::numeric AS booked, e.recorded_at, e.event_id, e.position
FROM (SELECT order_id, event_type, data::jsonb AS data, recorded_at, event_id, position FROM ledger_data.order_history
  WHERE event_type IN ('SettlementMatched', 'SettlementMismatchFlagged') OFFSET 0) AS e
WHERE e.data->>'line' ~ '^[0-9]{1,9}$' AND e.data->'amount'->>'amount' ~ '^-?[0-9]{1,18}([.][0-9]{1,4})?$'
  AND coalesce(e.data->'booked'->>'amount', '0') ~ '^-?[0-9]{1,18}([.][0-9]{1,4})?$'
UNION ALL
SELECT r.statement_id, r.line, 'UNMATCHED', r.reason, NULL, NULL, NULL, NULL, NULL, l.gross, l.currency, NULL, r.recorded_at, r.event_id, r.position
FROM ledger_data.statement_results AS r JOIN ledger_data.statement_lines AS l USING (statement_id, line);

CREATE VIEW ledger.settlement_payouts AS
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

CREATE VIEW ledger.settlement_lines AS
WITH newest AS (
  SELECT DISTINCT ON (statement_id, line) * FROM ledger.settlement_results ORDER BY statement_id, line, position DESC
)
SELECT l.statement_id, l.line, l.file_line, s.source, s.source_account, s.side, l.kind, l.reference, l.other_references,
  l.settlement_ref, l.value_date, l.currency, l.gross, l.fee, l.net,
  CASE WHEN l.kind = 'payout' THEN coalesce(p.status, 'UNMATCHED') ELSE coalesce(r.status, 'PENDING') END AS status,
  CASE WHEN l.kind <> 'payout' THEN r.reason WHEN l.settlement_ref IS NULL THEN 'no_reference' ELSE p.reason END AS reason,
  r.order_id, r.payment_id, r.refund_id, r.dispute_id, r.booked, s.recorded_at, r.recorded_at AS decided_at
FROM ledger_data.statement_lines AS l
JOIN ledger_data.statements AS s USING (statement_id)
LEFT JOIN newest AS r ON r.statement_id = l.statement_id AND r.line = l.line AND l.kind <> 'payout'
LEFT JOIN ledger.settlement_payouts AS p ON l.kind = 'payout' AND p.source = s.source AND p.source_account = s.source_account
  AND p.settlement_ref = l.settlement_ref AND p.currency = l.currency;

COMMENT ON VIEW ledger.settlement_statements IS
  'Every statement of a gateway or a bank that was imported: what it is, and what came of its lines.';
COMMENT ON COLUMN ledger.settlement_statements.statement_id IS 'Our name for it, made of what it says: the same statement has the same name.';
COMMENT ON COLUMN ledger.settlement_statements.source IS 'The gateway whose payments it is about.';
COMMENT ON COLUMN ledger.settlement_statements.source_account IS 'The merchant account at the gateway.';
COMMENT ON COLUMN ledger.settlement_statements.side IS 'Whose account it shows: gateway (a settlement report) or bank.';
COMMENT ON COLUMN ledger.settlement_statements.format IS 'csv, camt.053 or camt.054.';
COMMENT ON COLUMN ledger.settlement_statements.file_name IS 'What the file was called.';
COMMENT ON COLUMN ledger.settlement_statements.file_sha256 IS 'Digest of the file, hex.';
COMMENT ON COLUMN ledger.settlement_statements.statement_ref IS 'What the file calls itself; NULL where it does not.';
COMMENT ON COLUMN ledger.settlement_statements.first_date IS 'Earliest value date; NULL without lines.';
COMMENT ON COLUMN ledger.settlement_statements.last_date IS 'Latest value date; NULL without lines.';
COMMENT ON COLUMN ledger.settlement_statements.lines IS 'How many lines it has.';
COMMENT ON COLUMN ledger.settlement_statements.currency IS 'ISO 4217 code of opening and closing; NULL without them.';
COMMENT ON COLUMN ledger.settlement_statements.opening IS 'Balance that it begins with, major units; NULL where it has none.';
COMMENT ON COLUMN ledger.settlement_statements.closing IS 'Balance that it ends with, major units; NULL where it has none.';
COMMENT ON COLUMN ledger.settlement_statements.window_days IS 'How many days after a movement its line may be dated.';
COMMENT ON COLUMN ledger.settlement_statements.recorded_at IS 'When it was imported (UTC).';
COMMENT ON COLUMN ledger.settlement_statements.actor IS 'Who imported it.';
COMMENT ON COLUMN ledger.settlement_statements.complete IS 'Whether all lines were looked at; importing it again goes on where it stopped.';
COMMENT ON COLUMN ledger.settlement_statements.matched IS 'Lines that match a movement of ours; payouts are not counted.';
COMMENT ON COLUMN ledger.settlement_statements.mismatched IS 'Lines whose movement differs.';
COMMENT ON COLUMN ledger.settlement_statements.unmatched IS 'Lines without a movement of ours.';
COMMENT ON COLUMN ledger.settlement_statements.event_id IS 'The event of the import.';
COMMENT ON COLUMN ledger.settlement_statements.position IS 'Commit position of that event in the log.';
COMMENT ON VIEW ledger.settlement_results IS
  'Everything that was found out about lines of statements, one row per event; the newest about a line counts. A matched line stays matched.';
COMMENT ON COLUMN ledger.settlement_results.statement_id IS 'The statement.';
COMMENT ON COLUMN ledger.settlement_results.line IS 'Number of the line in it, from 1.';
COMMENT ON COLUMN ledger.settlement_results.status IS 'MATCHED, MISMATCH (the movement differs) or UNMATCHED (no movement).';
COMMENT ON COLUMN ledger.settlement_results.reason IS 'Why it does not match; NULL when it does.';
COMMENT ON COLUMN ledger.settlement_results.order_id IS 'The order; NULL when none is known.';
COMMENT ON COLUMN ledger.settlement_results.payment_id IS 'The payment; NULL when it is about none.';
COMMENT ON COLUMN ledger.settlement_results.refund_id IS 'The refund; NULL when it is about none.';
COMMENT ON COLUMN ledger.settlement_results.dispute_id IS 'The dispute; NULL when it is about none.';
COMMENT ON COLUMN ledger.settlement_results.movement IS 'The movement of the order that it matches or differs from.';
COMMENT ON COLUMN ledger.settlement_results.amount IS 'What was matched, or what the line says, major units.';
COMMENT ON COLUMN ledger.settlement_results.currency IS 'ISO 4217 code of amount.';
COMMENT ON COLUMN ledger.settlement_results.booked IS 'What our books say of a movement that differs, major units.';
COMMENT ON COLUMN ledger.settlement_results.recorded_at IS 'When it was found out (UTC).';
COMMENT ON COLUMN ledger.settlement_results.event_id IS 'The event.';
COMMENT ON COLUMN ledger.settlement_results.position IS 'Commit position of the event in the log.';
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
COMMENT ON VIEW ledger.journal_lines IS
  'Every posting of every customer order and payout, in double entry. An entry is what one event posts; its debits are its credits, per currency. Lines are never changed.';
COMMENT ON COLUMN ledger.journal_lines.order_id IS 'Our id of the order or payout (ULID).';
