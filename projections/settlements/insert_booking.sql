-- Adds that a line was booked without an order, or released, once.
INSERT INTO statement_bookings (position, event_id, stream, revision, statement_id, line, booked_as, released, entity, reason, recorded_at, actor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT DO NOTHING
