-- Tells why an order is still parked.
UPDATE ledger_data.parked_orders SET reason = $2 WHERE stream = $1
