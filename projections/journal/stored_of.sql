-- All lines of some orders, or of bookings of lines of statements, as the table holds them.
SELECT order_id, revision, line, position, event_id, posting_date, value_date, recorded_at, account, currency, amount::text,
       source, source_account, entity
FROM journal_lines
WHERE order_id = ANY($1)
ORDER BY order_id, position, line
