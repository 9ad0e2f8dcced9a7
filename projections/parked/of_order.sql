-- The parked streams of one order: one, unless a foreign client wrote to several.
SELECT stream, order_id, revision, position, event_id, event_type, reason, since, held_back
FROM parked_orders
WHERE order_id = $1
ORDER BY position
