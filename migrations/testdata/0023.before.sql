-- A payout with its lines, and a statement that was not finished.
INSERT INTO ledger_data.statements (statement_id, position, event_id, recorded_at, actor, source, source_account, side, format, file_sha256, lines, window_days)
SELECT id, 90, '00000000-0000-5000-8000-000000000041', now(), 'kim', 'decta', 'default', side, 'csv', '00', 2, 14
FROM (VALUES ('f1', 'gateway'), ('f2', 'bank'), ('f3', 'gateway')) AS s (id, side);
INSERT INTO ledger_data.statement_lines (statement_id, line, file_line, kind, other_references, settlement_ref, value_date, currency, gross, fee, position) VALUES
  ('f1', 1, 2, 'payment', '{}', 'PO-21', '2026-10-21', 'EUR', 100, 2, 90), ('f1', 2, 3, 'fee', '{}', 'PO-21', '2026-10-21', 'EUR', 5, NULL, 90),
  ('f1', 3, 4, 'payout', '{}', 'PO-21', '2026-10-21', 'EUR', 93, NULL, 90),
  ('f1', 4, 5, 'payment', '{}', 'PO-22', '2026-10-21', 'EUR', 10, NULL, 90), ('f1', 5, 6, 'payout', '{}', 'PO-22', '2026-10-21', 'EUR', 9, NULL, 90),
  ('f2', 1, 2, 'payout', '{}', 'PO-21', '2026-10-22', 'EUR', 93, NULL, 90), ('f2', 2, 3, 'payout', '{}', 'PO-22', '2026-10-22', 'EUR', 9, NULL, 90),
  ('f3', 1, 2, 'payment', '{}', 'PO-21', '2026-10-21', 'EUR', 7, NULL, 90);
INSERT INTO ledger_data.statement_passes (position, statement_id, pass, matched, mismatched, unmatched, recorded_at)
VALUES (2101, 'f1', 1, 0, 0, 0, now()), (2102, 'f2', 1, 0, 0, 0, now());
