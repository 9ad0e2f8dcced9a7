-- Adds a statement, once.
INSERT INTO statements (
  statement_id, position, event_id, recorded_at, actor, source, source_account, side, format, file_name, file_sha256,
  statement_ref, first_date, last_date, lines, currency, opening, closing, window_days)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::text::date, $14::text::date, $15, $16, $17::text::numeric, $18::text::numeric, $19)
ON CONFLICT DO NOTHING
