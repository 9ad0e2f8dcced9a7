-- Forgets a parked order.
DELETE FROM parked_orders WHERE stream = $1
