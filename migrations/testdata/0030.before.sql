-- The audit trail holds rows; so that both ways are seen, the journal holds none.
DELETE FROM ledger_data.journal_lines;
INSERT INTO ledger_data.order_history (order_id, revision, position, event_id, event_type, occurred_at, recorded_at, source, actor, data, metadata)
SELECT 'o30', n, 3000 + n, gen_random_uuid(), 'OrderIssued', now(), now(), 'decta', 'system', '{}', '{}' FROM generate_series(0, 1) AS n;
