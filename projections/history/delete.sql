-- Forgets the events of one order, to write them again from the log.
DELETE FROM order_history WHERE order_id = $1 AND position <= $2
