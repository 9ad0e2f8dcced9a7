-- Forgets the lines of one order, to write them again from the log.
DELETE FROM journal_lines WHERE order_id = $1 AND position <= $2
