-- Lines of statements that do not match our books, each with the reason.
SELECT status, reason, source, source_account, side, kind, reference, settlement_ref, value_date::text AS value_date, currency,
  gross, booked, order_id, statement_id, line, file_line
FROM @statement_lines AS l WHERE status <> 'MATCHED'
ORDER BY value_date, statement_id, line
