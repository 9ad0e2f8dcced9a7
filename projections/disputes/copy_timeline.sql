-- Adds rows of steps of disputes to a table that has none of them.
COPY dispute_timeline (
  order_id, dispute_id, seq, stage, currency, amount, moved, occurred_at, recorded_at,
  revision, position, event_id)
FROM STDIN (FORMAT binary)
