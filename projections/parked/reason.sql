-- Tells why an order is still parked.
UPDATE parked_orders SET reason = $2 WHERE stream = $1
