-- Forgets the lines of some events of one order.
DELETE FROM journal_lines WHERE order_id = $1 AND event_id = ANY ($2)
