-- One that is kept without names says what it has; one with names still does. A way back gives names to all.
INSERT INTO ledger_data.order_history (order_id, revision, position, event_id, event_type, occurred_at, recorded_at, source, actor, data, metadata)
VALUES ('o28', 1, 2801, gen_random_uuid(), 'OrderIssued', now(), now(), 'decta', 'kim', '{}',
  '=|C|B|L|2026-10-01T05:25:14.800569123Z|received|2026-10-01T05:25:15Z|2026-10-01T05:25:16Z|shop|E');
DO $$
BEGIN
  ASSERT (SELECT ledger_data.envelope(metadata, source, actor) = '{"ledger_id": "L28", "source": "decta", "actor": "system"}'
    FROM ledger_data.order_history WHERE position = 2800), 'an earlier envelope';
  ASSERT (SELECT ledger_data.envelope(metadata, source, actor) = '{"$correlationId": "C", "$causationId": "B", "ledger_id": "L", "schema": 1,
      "occurred_at": "2026-10-01T05:25:14.800569123Z", "occurred_at_basis": "received", "received_at": "2026-10-01T05:25:15Z",
      "recorded_at": "2026-10-01T05:25:16Z", "source": "decta", "source_account": "shop", "source_event_id": "E", "actor": "kim"}'
    FROM ledger_data.order_history WHERE position = 2801), 'an envelope without names';
END
$$;
