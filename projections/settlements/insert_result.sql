-- Adds why a line belongs to no order, once.
INSERT INTO statement_results (position, event_id, statement_id, line, reason, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
