-- Lists the parked orders in the order of the log.
SELECT stream, order_id, revision, position, event_id, event_type, reason, since, held_back
FROM parked_orders
ORDER BY position
