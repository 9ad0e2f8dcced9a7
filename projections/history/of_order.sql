-- The events of one order from a revision on, oldest first.
SELECT order_id, revision, position, event_id, event_type, occurred_at, recorded_at, source, actor, data, metadata
FROM ledger.order_history
WHERE order_id = $1 AND revision >= $2
ORDER BY revision, position
LIMIT $3
