-- A payout with its lines, and a statement that was not finished.
INSERT INTO ledger_data.statements (statement_id, position, event_id, recorded_at, actor, source, source_account, side, format, file_sha256, lines, window_days)
SELECT id, 90, '00000000-0000-5000-8000-000000000041', now(), 'kim', 'decta', 'default', side, 'csv', '00', 2, 14
FROM (VALUES ('g1', 'gateway'), ('g2', 'bank'), ('g3', 'gateway')) AS s (id, side);
INSERT INTO ledger_data.statement_lines (statement_id, line, file_line, kind, other_references, settlement_ref, value_date, currency, gross, fee, position) VALUES
  ('g1', 1, 2, 'payment', '{}', 'PO-241', '2026-10-21', 'EUR', 100, 2, 90), ('g1', 2, 3, 'fee', '{}', 'PO-241', '2026-10-21', 'EUR', 5, NULL, 90),
  ('g1', 3, 4, 'payout', '{}', 'PO-241', '2026-10-21', 'EUR', 93, NULL, 90),
  ('g1', 4, 5, 'payment', '{}', 'PO-242', '2026-10-21', 'EUR', 10, NULL, 90), ('g1', 5, 6, 'payout', '{}', 'PO-242', '2026-10-21', 'EUR', 9, NULL, 90),
  ('g2', 1, 2, 'payout', '{}', 'PO-241', '2026-10-22', 'EUR', 93, NULL, 90), ('g2', 2, 3, 'payout', '{}', 'PO-242', '2026-10-22', 'EUR', 9, NULL, 90),
  ('g3', 1, 2, 'payment', '{}', 'PO-241', '2026-10-21', 'EUR', 7, NULL, 90);
INSERT INTO ledger_data.statement_passes (position, statement_id, pass, matched, mismatched, unmatched, recorded_at)
VALUES (2401, 'g1', 1, 0, 0, 0, now()), (2402, 'g2', 1, 0, 0, 0, now());
