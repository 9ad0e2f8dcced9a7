-- Adds rows of disputes to a table that has none of them.
COPY disputes (
  order_id, dispute_id, payment_id, track, stage, outcome, reason_code, arn, currency,
  disputed_amount, held, lost, respond_by,
  revision, position, event_id)
FROM STDIN (FORMAT binary)
