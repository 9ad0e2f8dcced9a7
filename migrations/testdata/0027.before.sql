-- An order's events and entry as earlier versions wrote them.
INSERT INTO ledger_data.order_history (order_id, revision, position, event_id, event_type, occurred_at, recorded_at, source, actor, data, metadata)
SELECT 'o27', n, 2700 + n, gen_random_uuid(), 'OrderIssued', now(), now(), 'decta', 'system', '{}', '{}' FROM generate_series(0, 1) AS n;
INSERT INTO ledger_data.journal_lines (order_id, revision, line, position, event_id, posting_date, value_date, recorded_at, account, currency, amount, source, source_account, entity)
SELECT 'o27', 0, n, 2700, '00000000-0000-5000-8000-000000000027', '2026-10-15', '2026-10-15', now(), '1100', 'EUR', 3 - 2 * n, 'decta', 'default', 'default' FROM generate_series(1, 2) AS n;
