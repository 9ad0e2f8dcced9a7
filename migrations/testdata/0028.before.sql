-- An envelope as earlier versions kept it.
INSERT INTO ledger_data.order_history (order_id, revision, position, event_id, event_type, occurred_at, recorded_at, source, actor, data, metadata)
VALUES ('o28', 0, 2800, gen_random_uuid(), 'OrderIssued', now(), now(), 'decta', 'system', '{}', '{"ledger_id": "L28", "source": "decta", "actor": "system"}');
