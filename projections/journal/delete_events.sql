-- Forgets the lines of some events of one order, and whatever stands in their places in the log.
DELETE FROM journal_lines WHERE order_id = $1 AND event_id = ANY ($2) OR position = ANY ($3)
