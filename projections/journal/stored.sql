-- All lines of one order as the table holds them.
SELECT revision, line, position, event_id, posting_date, value_date, recorded_at, account, currency, amount::text,
       source, source_account, entity
FROM journal_lines
WHERE order_id = $1
ORDER BY position, line
