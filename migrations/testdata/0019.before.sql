-- A payout arrived in two equal parts, which two statements of the bank show.
INSERT INTO ledger_data.statements (statement_id, position, event_id, recorded_at, actor, source, source_account, side, format, file_sha256, lines, window_days)
SELECT id, 90, '00000000-0000-5000-8000-000000000041', now(), 'kim', 'decta', 'default', side, 'csv', '00', 2, 14
FROM (VALUES ('e1', 'gateway'), ('e2', 'bank'), ('e3', 'bank')) AS s (id, side);
INSERT INTO ledger_data.statement_lines (statement_id, line, file_line, kind, other_references, settlement_ref, value_date, currency, gross, position) VALUES
  ('e1', 1, 2, 'payout', '{}', 'PO-19', '2026-10-21', 'EUR', 80, 90),
  ('e2', 1, 2, 'payout', '{}', 'PO-19', '2026-10-21', 'EUR', 40, 90), ('e2', 2, 3, 'payout', '{}', 'PO-19', '2026-10-21', 'EUR', 40, 90),
  ('e3', 1, 2, 'payout', '{}', 'PO-19', '2026-10-21', 'EUR', 40, 90), ('e3', 2, 3, 'payout', '{}', 'PO-19', '2026-10-21', 'EUR', 40, 90);
