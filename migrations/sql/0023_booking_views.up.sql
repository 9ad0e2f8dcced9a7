-- Reconciliation tells what is booked without an order, what lines moved, and whether a payout is what its lines make.
INSERT INTO ledger_chart.accounts (base_account, code, name, type) VALUES
  ('1105', '1105', 'Gateway payouts in transit to the bank', 'asset'),
  ('1190', '1190', 'Currency exchange', 'asset'),
  ('2350', '2350', 'Provision for disputes', 'liability'),
  ('5900', '5900', 'Exchange differences', 'expense'),
  ('9900', '9900', 'Suspense', 'liability');

CREATE OR REPLACE VIEW ledger.settlement_results AS
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
SELECT r.statement_id, r.line, CASE WHEN r.reason = 'already_matched' THEN 'MISMATCH' ELSE 'UNMATCHED' END, r.reason, NULL, NULL, NULL, NULL, NULL, l.gross, l.currency, NULL, r.recorded_at, r.event_id, r.position
FROM ledger_data.statement_results AS r JOIN ledger_data.statement_lines AS l USING (statement_id, line)
UNION ALL -- a fee that names no order is booked as the account's
SELECT b.statement_id, b.line, 'MATCHED', NULL, NULL, NULL, NULL, NULL, NULL, l.gross, l.currency, NULL, b.recorded_at, b.event_id, b.position
FROM ledger_data.statement_bookings AS b JOIN ledger_data.statement_lines AS l USING (statement_id, line) WHERE b.booked_as = 'fee';

CREATE OR REPLACE VIEW ledger.settlement_statements AS
SELECT s.statement_id, s.source, s.source_account, s.side, s.format, s.file_name, s.file_sha256, s.statement_ref,
  s.first_date, s.last_date, s.lines, s.currency, s.opening, s.closing, s.window_days, s.recorded_at, s.actor,
  p.position IS NOT NULL AS complete, p.matched, p.mismatched, p.unmatched, s.event_id, s.position,
  f.recorded_at AS completed_at, f.position AS completed_position
FROM ledger_data.statements AS s LEFT JOIN LATERAL (
  SELECT * FROM ledger_data.statement_passes WHERE statement_id = s.statement_id ORDER BY position DESC LIMIT 1) AS p ON true
LEFT JOIN LATERAL (
  SELECT * FROM ledger_data.statement_passes WHERE statement_id = s.statement_id ORDER BY position LIMIT 1) AS f ON true;
COMMENT ON COLUMN ledger.settlement_statements.complete IS
  'Whether all lines were looked at. An import that was interrupted is finished when the ledger starts, or when the file is imported again; its lines are not shown before.';
COMMENT ON COLUMN ledger.settlement_statements.completed_at IS 'When all lines had been looked at for the first time (UTC); NULL when not.';
COMMENT ON COLUMN ledger.settlement_statements.completed_position IS 'Commit position in the log of that.';

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
  CASE WHEN n.lines_net <> s.cost THEN 'MISMATCH' WHEN s.by_gateway = s.by_bank THEN 'MATCHED'
    WHEN s.by_gateway IS NULL OR s.by_bank IS NULL THEN 'UNMATCHED' ELSE 'MISMATCH' END AS status,
  CASE WHEN n.lines_net <> s.cost THEN 'lines_differ' WHEN s.by_gateway = s.by_bank THEN NULL WHEN s.by_bank IS NULL THEN 'missing_at_bank'
    WHEN s.by_gateway IS NULL THEN 'missing_at_gateway' ELSE 'amount_differs' END AS reason,
  n.lines_net
FROM sides AS s LEFT JOIN nets AS n USING (source, source_account, settlement_ref, currency);
COMMENT ON COLUMN ledger.settlement_payouts.reason IS
  'lines_differ (its lines do not make it, fees included), missing_at_bank, missing_at_gateway or amount_differs; NULL when it matches.';
COMMENT ON COLUMN ledger.settlement_payouts.lines_net IS 'What the gateway''s lines that name the payout add up to, fees taken off, major units; NULL when none does.';

CREATE OR REPLACE VIEW ledger.settlement_lines AS
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

CREATE VIEW ledger.settlement_bookings AS
SELECT stream || '-' || revision AS entry_id, event_id, CASE WHEN released THEN 'StatementLineReleased' ELSE 'StatementLineBooked' END AS event_type,
  statement_id, line, booked_as, released, entity, reason, recorded_at, actor, position
FROM ledger_data.statement_bookings;
COMMENT ON VIEW ledger.settlement_bookings IS
  'Lines of statements that are booked without an order: fees, payouts on their way, and money in suspense until somebody knows what it is. ledger.journal_lines has what they post.';
COMMENT ON COLUMN ledger.settlement_bookings.entry_id IS 'The entry in the journal.';
COMMENT ON COLUMN ledger.settlement_bookings.event_id IS 'The event.';
COMMENT ON COLUMN ledger.settlement_bookings.event_type IS 'StatementLineBooked or StatementLineReleased.';
COMMENT ON COLUMN ledger.settlement_bookings.statement_id IS 'The statement.';
COMMENT ON COLUMN ledger.settlement_bookings.line IS 'Number of the line in it, from 1.';
COMMENT ON COLUMN ledger.settlement_bookings.booked_as IS 'fee, payout or suspense.';
COMMENT ON COLUMN ledger.settlement_bookings.released IS 'Whether this takes the line out of suspense.';
COMMENT ON COLUMN ledger.settlement_bookings.entity IS 'Whose books: a legal entity.';
COMMENT ON COLUMN ledger.settlement_bookings.reason IS 'Why it belongs to no order, or why it is released.';
COMMENT ON COLUMN ledger.settlement_bookings.recorded_at IS 'When it was booked (UTC).';
COMMENT ON COLUMN ledger.settlement_bookings.actor IS 'Who imported or matched the statement.';
COMMENT ON COLUMN ledger.settlement_bookings.position IS 'Commit position of the event in the log.';
COMMENT ON VIEW ledger.journal_lines IS
  'Every posting of every customer order and payout, and of lines of statements that belong to none, in double entry. An entry is what one event posts; its debits are its credits, per currency. Lines are never changed.';
COMMENT ON COLUMN ledger.journal_lines.order_id IS
  'Our id of the order or payout (ULID); of what a line of a statement posts, settlement-booked- and a digest: see ledger.settlement_bookings.';
