-- Counts the parked orders.
SELECT count(*) FROM parked_orders
