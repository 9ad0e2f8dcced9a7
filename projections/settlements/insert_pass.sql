-- Adds that all lines of a statement were looked at, once.
INSERT INTO statement_passes (position, statement_id, pass, matched, mismatched, unmatched, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
