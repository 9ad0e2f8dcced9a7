-- All events of one order as the table holds them.
SELECT revision, position, event_id, event_type, occurred_at, recorded_at, source, actor, data, metadata
FROM order_history
WHERE order_id = $1
ORDER BY revision, position
